// The WebSocket that never gives up: tells frames, and the state of the line.
//
// States: connecting, live, waiting (another try is due), offline (the device has no network),
// closed (the session has ended; nobody will try again).

const SHORTEST = 500;
const LONGEST = 15_000;

export class Live {
  constructor({ ticket, frame, state }) {
    this.ticket = ticket;
    this.frame = frame;
    this.state = state;
    this.pause = SHORTEST;
    this.timer = null;
    this.socket = null;
    this.trying = false;
    this.closed = false;
    addEventListener("online", () => this.again());
    addEventListener("offline", () => this.lost());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.socket === null) this.again();
    });
  }

  // Try now, whatever was planned.
  async again() {
    if (this.trying || this.closed || this.socket !== null) return;
    clearTimeout(this.timer);
    this.trying = true;
    this.state("connecting");
    try {
      this.open(await this.ticket());
    } catch (refused) {
      if (refused.status === 401) this.end();
      else this.later();
    } finally {
      this.trying = false;
    }
  }

  open(ticket) {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws/player/?ticket=${encodeURIComponent(ticket)}`);
    this.socket = socket;
    let alive = false;
    const live = () => {
      if (alive || this.socket !== socket) return;
      alive = true;
      this.pause = SHORTEST;
      this.state("live");
    };
    socket.onmessage = (message) => {
      live();
      this.frame(JSON.parse(message.data));
    };
    // A ticket that is no good is told after the handshake, so being let in proves nothing at once.
    socket.onopen = () => setTimeout(live, 1000);
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.later();
    };
  }

  later() {
    if (this.closed) return;
    if (!navigator.onLine) {
      this.state("offline");
      return;
    }
    // Everybody lost the same server at the same moment: nobody comes back at the same moment.
    const pause = this.pause * (0.5 + Math.random());
    this.pause = Math.min(2 * this.pause, LONGEST);
    this.state("waiting");
    this.timer = setTimeout(() => this.again(), pause);
  }

  // The device says that it has no network; the socket would notice in minutes.
  lost() {
    this.drop();
    if (!this.closed) this.state("offline");
  }

  end() {
    this.closed = true;
    this.drop();
    this.state("closed");
  }

  drop() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }
}
