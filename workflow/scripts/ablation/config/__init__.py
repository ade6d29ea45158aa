"""What a study's YAML may say, and what its runs are. No torch.

A change here reruns the runs whose settings it changes, and no others.
"""
