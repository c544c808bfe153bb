"""
Weights of the logistic models of sign_rating, one row a kind of candidate.

Made by benchmarks/fit_rating.py; do not edit.
"""

# one, source, outline, red rim, red face, blue face,
# yellow face, face brighter, contrast, mirrored, size
WEIGHTS = {
    'red disc': (  # 1356 signs of 4952 candidates
        -5.955, 3.781, 5.280, -2.791, -2.477, 0.898,
        -6.276, -3.157, 4.381, 2.495, 1.595,
    ),
    'red triangle': (  # 1099 signs of 2891 candidates
        -1.155, 6.082, 4.559, -2.347, -5.664, 1.538,
        -3.227, -0.092, 0.439, 0.463, 0.868,
    ),
    'red yield': (  # 578 signs of 1684 candidates
        -2.555, 4.858, 5.263, -2.711, -2.123, 0.599,
        -3.038, 0.393, -1.021, 1.202, 0.986,
    ),
    'blue disc': (  # 544 signs of 1826 candidates
        -5.071, 3.684, 7.539, 0.027, 0.195, -4.908,
        -0.013, 0.757, 1.642, 0.316, 2.199,
    ),
    'yellow diamond': (  # 458 signs of 1562 candidates
        -3.304, 5.628, 6.032, -0.181, 1.250, 0.041,
        -2.402, -0.427, -1.698, 1.919, 0.497,
    ),
    'disc': (  # 811 signs of 15626 candidates
        -7.197, 3.998, 6.559, -2.342, 4.454, -0.244,
        -4.481, -2.980, 2.012, -0.439, 1.123,
    ),
}
