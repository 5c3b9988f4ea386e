"""Keys that go down, seen in the picture: what keypoints do not show of a pianist."""
