// What happens in the studio, as it happens; the connection comes back by itself.

const AGAIN_MS = [300, 600, 1000, 2000, 4000];
const LOST_MS = 600; // a connection that is back so soon was hardly gone

export class Events {
  // `told` is called with each message, `changed` with whether the studio is there.
  constructor(told, changed) {
    this.told = told;
    this.changed = changed;
    this.tries = 0;
    this.open();
  }

  open() {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/events`);
    socket.onmessage = ({ data }) => {
      this.tries = 0;
      clearTimeout(this.losing);
      this.losing = null;
      this.changed(true);
      this.told(JSON.parse(data));
    };
    socket.onclose = () => {
      this.losing ??= setTimeout(() => this.changed(false), LOST_MS);
      setTimeout(() => this.open(), AGAIN_MS[Math.min(this.tries++, AGAIN_MS.length - 1)]);
    };
  }
}
