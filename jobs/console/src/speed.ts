/** Speed as colour: one scale for the arrows, the dots and the legend. */

export interface Band {
  /** Speeds below this, in m/s. */
  readonly below: number;
  readonly colour: string;
  readonly name: string;
}

export const UNKNOWN: Band = { below: 0, colour: "#9fb3c8", name: "unknown" };

export const BANDS: readonly Band[] = [
  { below: 0.3, colour: "#5d7a96", name: "still" },
  { below: 2, colour: "#38bdf8", name: "< 2" },
  { below: 5, colour: "#34d399", name: "< 5" },
  { below: 10, colour: "#fbbf24", name: "< 10" },
  { below: Infinity, colour: "#fb7185", name: "≥ 10 m/s" },
];

export function bandOf(speed: number | undefined): Band {
  if (speed === undefined || speed < 0) return UNKNOWN;
  return BANDS.find((band) => speed < band.below) ?? UNKNOWN;
}
