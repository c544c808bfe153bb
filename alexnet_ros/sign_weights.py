"""
Weights of the logistic models of sign_rating, one row a kind of candidate.

Made by benchmarks/fit_rating.py; do not edit.
"""

# one, source, outline, red rim, red face, blue face,
# yellow face, face brighter, contrast, mirrored, size
WEIGHTS = {
    'red disc': (  # 1357 signs of 5416 candidates
        -5.974, 3.359, 5.832, -3.171, -1.581, 1.078,
        -6.355, -3.270, 3.920, 2.240, 1.599,
    ),
    'red triangle': (  # 1098 signs of 2539 candidates
        -1.277, 6.553, 4.806, -1.568, -5.022, 1.602,
        -2.176, 0.297, 0.634, 0.692, 0.930,
    ),
    'red yield': (  # 576 signs of 1675 candidates
        -2.874, 4.866, 4.998, -3.250, -1.895, 0.027,
        -2.353, 0.471, -1.196, 2.097, 0.861,
    ),
    'blue disc': (  # 539 signs of 2078 candidates
        -3.639, 4.583, 6.132, -0.084, 0.165, -4.965,
        -0.182, -5.808, 2.223, -2.568, 1.517,
    ),
    'yellow diamond': (  # 451 signs of 1695 candidates
        -3.941, 5.258, 6.368, -0.452, 1.589, 0.034,
        -2.539, -0.460, -0.774, 2.001, 0.720,
    ),
    'disc': (  # 830 signs of 15672 candidates
        -5.823, 5.028, 6.210, -3.651, 3.764, -5.422,
        -6.283, -2.918, 2.363, -0.727, 0.977,
    ),
}
