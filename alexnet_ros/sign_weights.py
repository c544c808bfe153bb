"""
Weights of the logistic models of sign_rating, one row a kind of candidate.

Made by benchmarks/fit_rating.py; do not edit.
"""

# one, source, outline, red rim, red face, blue face,
# yellow face, face brighter, contrast, mirrored, size
WEIGHTS = {
    'red disc': (  # 1354 signs of 4881 candidates
        -5.701, 3.993, 5.135, -2.793, -2.088, 0.793,
        -6.199, -3.255, 4.186, 2.166, 1.587,
    ),
    'red triangle': (  # 1097 signs of 2451 candidates
        -0.911, 6.551, 3.960, -1.324, -4.925, 1.477,
        -2.370, 0.827, 0.718, 0.708, 0.920,
    ),
    'red yield': (  # 577 signs of 1681 candidates
        -2.616, 5.037, 5.237, -2.599, -1.963, 0.578,
        -2.799, 0.409, -0.926, 1.296, 1.015,
    ),
    'blue disc': (  # 545 signs of 2031 candidates
        -4.031, 3.593, 7.191, -0.107, 0.189, -5.309,
        -0.185, -6.413, 1.917, -2.312, 1.272,
    ),
    'yellow diamond': (  # 458 signs of 1535 candidates
        -3.336, 5.643, 5.919, -0.186, 1.373, 0.036,
        -2.095, -0.375, -1.559, 1.856, 0.552,
    ),
    'disc': (  # 811 signs of 15656 candidates
        -5.873, 5.022, 6.408, -3.519, 3.134, -5.882,
        -7.254, -3.316, 2.237, -0.714, 1.030,
    ),
}
