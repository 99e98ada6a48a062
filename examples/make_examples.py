"""Train two SVMs on real data and save the decision values of rows they have not seen.

The data come with scikit-learn: Breast Cancer Wisconsin (Diagnostic) and Optical Recognition of
Handwritten Digits, both of the UCI repository. Run from anywhere: python examples/make_examples.py
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.metrics import hinge_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

FOLDER = Path(__file__).parent
EXAMPLES = {
    "breast_cancer": (load_breast_cancer, LinearSVC(random_state=0)),
    "digits": (
        load_digits,
        LinearSVC(multi_class="crammer_singer", max_iter=10_000, random_state=0),
    ),
}


def main() -> None:
    """Write NAME_preds.npy and NAME_target.npy for each example and print scikit-learn's loss."""
    for name, (load, svm) in EXAMPLES.items():
        data, target = load(return_X_y=True)
        seen, held_out, seen_target, held_out_target = train_test_split(
            data, target, test_size=1 / 3, random_state=0, stratify=target
        )
        model = make_pipeline(StandardScaler(), svm).fit(seen, seen_target)
        preds = model.decision_function(held_out)
        np.save(FOLDER / f"{name}_preds.npy", preds)
        np.save(FOLDER / f"{name}_target.npy", held_out_target)
        print(f"{name}: {preds.shape}, hinge loss {hinge_loss(held_out_target, preds)}")


if __name__ == "__main__":
    main()
