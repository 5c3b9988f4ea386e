// The skeleton over the picture, and the drums that light up.

export class Skeleton {
  constructor(canvas, video) {
    this.canvas = canvas;
    this.video = video;
  }

  // Draw joints, [x, y] as shares of the picture or null; nothing where `joints` is null. Only if they are new: a slow
  // computer has better things to do.
  draw(joints, bones) {
    const { canvas, video } = this;
    if (joints === this.drawn) return;
    this.drawn = joints;
    const width = video.videoWidth || 640;
    const height = video.videoHeight || 480;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    if (!joints) return;
    const thick = Math.max(2, width / 160);
    pen.lineCap = "round";
    for (const [colour, more] of [["rgba(0, 0, 0, 0.55)", thick], ["#fbbf24", 0]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = thick + more;
      pen.beginPath();
      for (const [a, b] of bones) {
        if (!joints[a] || !joints[b]) continue;
        pen.moveTo(joints[a][0] * width, joints[a][1] * height);
        pen.lineTo(joints[b][0] * width, joints[b][1] * height);
      }
      pen.stroke();
    }
    pen.fillStyle = "#ffffff";
    for (const joint of joints) {
      if (!joint) continue;
      pen.beginPath();
      pen.arc(joint[0] * width, joint[1] * height, thick * 0.9, 0, 2 * Math.PI);
      pen.fill();
    }
  }
}

const GLOW_MS = 260;

export class Drums {
  constructor(list, names) {
    list.replaceChildren(
      ...names.map((name) => {
        const item = document.createElement("li");
        const label = document.createElement("span");
        label.textContent = name;
        item.append(label);
        return item;
      }),
    );
    this.items = [...list.children];
    this.glows = names.map(() => "");
    this.struck = names.map(() => ({ at: -Infinity, velocity: 0 }));
  }

  strike(drum, velocity, at) {
    this.struck[drum] = { at, velocity };
  }

  draw(now) {
    this.struck.forEach(({ at, velocity }, drum) => {
      const rest = Math.max(0, 1 - (now - at) / GLOW_MS);
      const glow = (rest * (0.25 + 0.65 * velocity)).toFixed(2);
      if (glow === this.glows[drum]) return;
      this.glows[drum] = glow;
      this.items[drum].style.setProperty("--hit", glow);
      this.items[drum].classList.toggle("struck", rest > 0);
    });
  }
}
