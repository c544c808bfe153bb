"""What a run is judged by: scores, charts and the HTML report."""
