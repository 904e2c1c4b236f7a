"""Writes src/data/digits.bin from scikit-learn's copy of the UCI digits.

    pip install scikit-learn==1.9.1
    python tools/digits.py
"""

import hashlib
import pathlib

import sklearn
from sklearn.datasets import load_digits

digits = load_digits()
images = digits.data.astype(int)
assert images.shape == (1797, 64) and images.min() == 0 and images.max() == 16
assert (images == digits.data).all()

packed = b"".join(bytes([*image, label]) for image, label in zip(images, digits.target))
path = pathlib.Path(__file__).parent.parent / "src" / "data" / "digits.bin"
path.write_bytes(packed)
print(f"scikit-learn {sklearn.__version__}: {len(packed)} bytes, pixel sum {images.sum()}")
print(f"sha256 {hashlib.sha256(packed).hexdigest()}")
