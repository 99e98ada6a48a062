"""Environments in which a process computes as on an x86-64 processor with fewer features."""

# Both the names up to NumPy 2.3 and those since, which are of whole targets.
NO_AVX512 = {"NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512_SKX X86_V4"}
NO_AVX2 = {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 F16C AVX512F AVX512_SKX X86_V3 X86_V4"}
PROCESSORS = {
    "compiled without AVX-512": {"HINGEMETRICS_BACKEND": "auto", **NO_AVX512},
    "compiled without AVX2": {"HINGEMETRICS_BACKEND": "auto", **NO_AVX2},
    "NumPy without AVX2": {"HINGEMETRICS_BACKEND": "numpy", **NO_AVX2},
}
