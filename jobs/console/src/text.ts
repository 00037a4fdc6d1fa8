/** Numbers and times as people read them; all times are UTC. */

const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });

export function count(value: number): string {
  return whole.format(value);
}

export function timeOfDay(ms: number): string {
  return new Date(ms).toISOString().slice(11, 19);
}

export function dateAndTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

export function duration(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function distance(metres: number): string {
  return metres < 1_000 ? `${whole.format(metres)} m` : `${(metres / 1_000).toFixed(1)} km`;
}

/** A field of a row, with its unit where the name tells it. */
export function field(name: string, value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") {
    if (name.endsWith("_ms")) return dateAndTime(value);
    if (name === "lat" || name === "lon") return `${value.toFixed(5)}°`;
    if (name === "speed") return `${value.toFixed(1)} m/s`;
    if (name === "heading") return `${value.toFixed(0)}°`;
    return String(value);
  }
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
