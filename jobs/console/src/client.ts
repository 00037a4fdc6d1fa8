/** The connection: subscribes to views, folds snapshots and deltas, and comes back when it breaks. */

export type Row = Readonly<Record<string, unknown>>;

/** Told about every change of one view, in order. */
export interface Listener {
  upsert(key: string, row: Row): void;
  remove(key: string): void;
  /** A frame was folded; `whole` when the view now stands at one frontier. */
  folded(whole: boolean): void;
}

export type State = "connecting" | "live" | "lost" | "closed";

interface Subscription {
  id: number;
  view: string;
  listener: Listener;
  keys: Set<string>;
  /** Keys held before the snapshot that is coming in and not seen in it yet. */
  stale: Set<string> | undefined;
}

interface Frame {
  type: string;
  id?: number;
  rows?: [string, Row][];
  upsert?: [string, Row][];
  remove?: string[];
  first?: boolean;
  last?: boolean;
  code?: string;
  retry?: boolean;
}

const SHORTEST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
/** The server pings every 25 s: silence for so long means that it is gone. */
const SILENCE_MS = 60_000;
const RETRY_VIEW_MS = 5_000;

export class Client {
  private readonly subscriptions = new Map<number, Subscription>();
  private socket: WebSocket | undefined;
  private failures = 0;
  private heard: number | undefined;

  constructor(
    private readonly url: string,
    private readonly state: (state: State, text: string) => void,
  ) {}

  /** Call before {@link connect}; a view that does not exist yet is asked for again. */
  subscribe(view: string, listener: Listener): void {
    const id = this.subscriptions.size + 1;
    this.subscriptions.set(id, { id, view, listener, keys: new Set(), stale: undefined });
  }

  connect(): void {
    this.state("connecting", this.failures ? "reconnecting" : "connecting");
    const socket = new WebSocket(this.url, "waystream.v1");
    this.socket = socket;
    socket.onopen = () => this.say({ type: "hello" });
    socket.onmessage = (event) => {
      this.listen();
      this.take(JSON.parse(event.data as string) as Frame);
    };
    socket.onclose = (event) => this.closed(event);
  }

  private closed(event: CloseEvent): void {
    window.clearTimeout(this.heard);
    if (event.code >= 3500 && event.code < 4000) {
      this.state("closed", event.reason || `closed (${event.code})`);
      return;
    }
    const longest = Math.min(LONGEST_WAIT_MS, SHORTEST_WAIT_MS * 2 ** this.failures);
    this.failures += 1;
    this.state("lost", "connection lost");
    window.setTimeout(() => this.connect(), longest * (0.5 + Math.random() / 2));
  }

  private listen(): void {
    window.clearTimeout(this.heard);
    this.heard = window.setTimeout(() => this.socket?.close(), SILENCE_MS);
  }

  private say(message: object): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private ask(subscription: Subscription): void {
    this.say({ type: "subscribe", id: subscription.id, view: subscription.view });
  }

  private take(frame: Frame): void {
    switch (frame.type) {
      case "welcome":
        this.failures = 0;
        this.state("live", "live");
        for (const subscription of this.subscriptions.values()) this.ask(subscription);
        return;
      case "ping":
        this.say({ type: "pong" });
        return;
    }
    const subscription = this.subscriptions.get(frame.id ?? 0);
    if (!subscription) return;
    if (frame.type === "error" && frame.retry) {
      const socket = this.socket;
      window.setTimeout(() => socket === this.socket && this.ask(subscription), RETRY_VIEW_MS);
    } else if (frame.type === "snapshot") {
      fold(subscription, frame, frame.rows);
    } else if (frame.type === "delta") {
      fold(subscription, frame, frame.upsert);
    }
  }
}

function fold(to: Subscription, frame: Frame, rows: [string, Row][] = []): void {
  const snapshot = frame.type === "snapshot";
  if (snapshot && frame.first) to.stale = new Set(to.keys);
  for (const [key, row] of rows) {
    to.keys.add(key);
    to.stale?.delete(key);
    to.listener.upsert(key, row);
  }
  const gone = snapshot ? (frame.last ? (to.stale ?? []) : []) : (frame.remove ?? []);
  for (const key of gone) {
    if (to.keys.delete(key)) to.listener.remove(key);
  }
  if (snapshot && frame.last) to.stale = undefined;
  to.listener.folded(frame.last === true);
}
