"""Train SVMs on real data and save the decision values of rows they have not seen.

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
EXAMPLES = {  # the data, and the SVM of each file
    "breast_cancer": (
        load_breast_cancer,
        {
            "breast_cancer_preds": LinearSVC(random_state=0),
            "breast_cancer_new_preds": LinearSVC(C=0.1, random_state=0),
        },
    ),
    "digits": (
        load_digits,
        {
            "digits_preds": LinearSVC(
                multi_class="crammer_singer", max_iter=10_000, random_state=0
            ),
        },
    ),
}


def main() -> None:
    """Write the decision values of each SVM and NAME_target.npy; print scikit-learn's losses."""
    for name, (load, svms) in EXAMPLES.items():
        data, target = load(return_X_y=True)
        seen, held_out, seen_target, held_out_target = train_test_split(
            data, target, test_size=1 / 3, random_state=0, stratify=target
        )
        np.save(FOLDER / f"{name}_target.npy", held_out_target)
        for file, svm in svms.items():
            model = make_pipeline(StandardScaler(), svm).fit(seen, seen_target)
            preds = model.decision_function(held_out)
            np.save(FOLDER / f"{file}.npy", preds)
            print(f"{file}: {preds.shape}, hinge loss {hinge_loss(held_out_target, preds)}")


if __name__ == "__main__":
    main()
