// Where the lines of a graph run between its boxes, and where their labels stand so that none hides another. Pure.

export const TALL = 34; // of a label, two lines
const GAP = 10; // between a box and a label beside it: the head of the line is seen
const HEAD = 8;

const mix = (a, b, t) => a + (b - a) * t;

/** A point of a cubic curve. */
function point([a, b, c, d], t) {
  const on = (p, q, r, s) => mix(mix(mix(p, q, t), mix(q, r, t), t), mix(mix(q, r, t), mix(r, s, t), t), t);
  return { x: on(a[0], b[0], c[0], d[0]), y: on(a[1], b[1], c[1], d[1]) };
}

/**
 * A route for each edge: `d` draws its line, `tip` its head, and `places` are middles of a label, the best one first.
 * A line runs level beside the box that fewer lines share; there its label stands.
 */
export function routed(edges, at, size) {
  const ends = new Map(); // how many lines leave a box and how many come to it
  const count = (key) => ends.set(key, (ends.get(key) ?? 0) + 1);
  for (const { source, target } of edges) { count(`from ${source}`); count(`to ${target}`); }
  return edges.map(({ source, target }) => {
    const [from, to] = [at.get(source), at.get(target)];
    if (to.x <= from.x) return backward(from, to, size);
    return forward(from, to, size, ends.get(`to ${target}`) > ends.get(`from ${source}`));
  });
}

function forward(from, to, size, isShared) {
  const [x1, y1, x2, y2] = [from.x + size.width, from.y + size.height / 2, to.x, to.y + size.height / 2];
  const level = Math.min(size.chip + 2 * GAP, x2 - x1 - 20);
  const [begin, end] = isShared ? [x1 + level, x2] : [x1, x2 - level];
  const by = (end - begin) / 2;
  const curve = [[begin, y1], [begin + by, y1], [end - by, y2], [end, y2]];
  const [, b, c, d] = curve;
  const atTarget = { x: x2 - GAP - size.chip / 2, y: y2 };
  const atSource = { x: x1 + GAP + size.chip / 2, y: y1 };
  return {
    d: `M${x1} ${y1}H${begin}C${b.join(" ")} ${c.join(" ")} ${d.join(" ")}H${x2 - HEAD}`,
    tip: `M${x2} ${y2}l-${HEAD + 1} -4.5v9z`,
    places: [isShared ? atSource : atTarget, ...[0.5, 0.75, 0.25, 1, 0].map((t) => point(curve, t))],
  };
}

/** To a box that is not further right: below both, and up again. */
function backward(from, to, size) {
  const [a, b, low] = [from.x + size.width / 2, to.x + size.width / 2, Math.max(from.y, to.y) + size.height + 18];
  const curve = [[a, from.y + size.height], [a, low], [b, low], [b, to.y + size.height + HEAD]];
  return {
    d: `M${curve[0].join(" ")}C${curve.slice(1).map((p) => p.join(" ")).join(" ")}`,
    tip: `M${b} ${to.y + size.height}l-4.5 ${HEAD + 1}h9z`,
    places: [0.5, 0.35, 0.65].map((t) => point(curve, t)),
  };
}

const overlap = (a, b) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

/** A rectangle of this width for the label of each route, over neither a box nor another label; null where no place is free. */
export function chips(routes, boxes, width) {
  const taken = [...boxes];
  return routes.map(({ places }) => {
    const spots = places.map(({ x, y }) => ({ x: x - width / 2, y: y - TALL / 2, width, height: TALL }));
    const free = spots.find((spot) => !taken.some((other) => overlap(spot, other))) ?? null;
    if (free) taken.push(free);
    return free;
  });
}
