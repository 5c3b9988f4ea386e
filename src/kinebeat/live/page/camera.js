// The camera, and its pictures as small JPEGs.

const SIDE = 640;
const QUALITY = 0.7;
const LEAST_STEP_MS = 24; // less than between two of 30 a second, however they waver; 60 a second become 30
const OLD_MS = 500;

// What the browser calls the reasons why there is no camera, and our states.
const REASONS = {
  NotAllowedError: "refused",
  SecurityError: "refused",
  NotFoundError: "nocamera",
  OverconstrainedError: "nocamera",
  NotReadableError: "inuse",
  AbortError: "inuse",
};

export class Camera {
  // `lost` is called when the camera is unplugged while it plays.
  constructor(video, lost) {
    this.video = video;
    this.lost = lost;
    this.stream = null;
    this.canvas = document.createElement("canvas");
    this.skipped = 0;
  }

  // Ask for the camera. Gives null, or why there is none: refused, nocamera, inuse.
  async start() {
    if (!navigator.mediaDevices?.getUserMedia) return "nocamera";
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        audio: false,
        video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } },
      });
    } catch (error) {
      return REASONS[error.name] ?? "inuse";
    }
    const stream = this.stream;
    stream.getVideoTracks()[0].addEventListener("ended", () => {
      if (this.stream === stream) this.lost();
    });
    this.video.srcObject = stream;
    await this.video.play();
    return null;
  }

  stop() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.video.srcObject = null;
  }

  // Call `send` with each picture as a JPEG and when it was taken, while `free()`; those in between are left out.
  each(free, send) {
    const stream = this.stream;
    let last = -Infinity;
    let busy = false;
    const next = () => {
      if (this.stream !== stream) return;
      if (this.video.requestVideoFrameCallback) this.video.requestVideoFrameCallback(take);
      else setTimeout(() => take(performance.now(), {}), LEAST_STEP_MS);
    };
    const take = (now, { captureTime }) => {
      next();
      const believed = captureTime !== undefined && now - captureTime >= 0 && now - captureTime < OLD_MS;
      const taken = believed ? captureTime : now;
      if (taken - last < LEAST_STEP_MS) return;
      if (busy || !free() || !this.video.videoWidth) {
        this.skipped += 1;
        return;
      }
      last = taken;
      busy = true;
      const { videoWidth, videoHeight } = this.video;
      const scale = Math.min(1, SIDE / Math.max(videoWidth, videoHeight));
      this.canvas.width = Math.round(videoWidth * scale);
      this.canvas.height = Math.round(videoHeight * scale);
      this.canvas.getContext("2d", { alpha: false }).drawImage(this.video, 0, 0, this.canvas.width, this.canvas.height);
      this.canvas.toBlob(
        async (blob) => {
          try {
            const jpeg = await blob?.arrayBuffer();
            if (jpeg && free()) send(jpeg, taken);
          } finally {
            busy = false;
          }
        },
        "image/jpeg",
        QUALITY,
      );
    };
    next();
  }
}
