# mypy: ignore-errors
"""What PyInstaller cannot see: the library of machine code, which makes Numba superfluous."""

from PyInstaller.utils.hooks import collect_data_files

datas = collect_data_files("hingemetrics", includes=["_engine/kernels.*"])
excludedimports = ["numba", "llvmlite"]
