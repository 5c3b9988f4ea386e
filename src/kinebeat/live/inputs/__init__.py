"""Where frames come from: a camera, a browser, a video or recorded keypoints played in real time."""
