// Two small charts in SVG: lines over time, and bars of a histogram.

const SVG = 'http://www.w3.org/2000/svg';
const HEIGHT = 160;
const LEFT = 44;
const BELOW = 18;
const ABOVE = 6;

function make(name, attributes, parent) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

function write(parent, attributes, text) {
  make('text', { class: 'tick', ...attributes }, parent).textContent = text;
}

/** The smallest of 1, 2, 5, 10, 20, 50 … that holds the value. */
function ceiling(value) {
  for (let decade = 1; ; decade *= 10)
    for (const step of [1, 2, 5]) if (step * decade >= value) return step * decade;
}

export function shorten(value) {
  for (const [size, unit] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ])
    if (value >= size) return `${Number((value / size).toPrecision(3))} ${unit}`;
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(2)));
}

/** A figure with its caption; `paint(svg, width)` draws into an empty SVG whenever data or size change. */
function createFigure(figure, title, keys, paint) {
  const caption = document.createElement('figcaption');
  const heading = document.createElement('b');
  heading.textContent = title;
  caption.append(heading);
  keys.forEach((label, i) => {
    const key = document.createElement('span');
    key.className = `key colour-${i + 1}`;
    key.textContent = label;
    caption.append(key);
  });
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', title);
  figure.append(caption, svg);
  const draw = () => {
    const { width } = svg.getBoundingClientRect();
    svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    svg.replaceChildren();
    paint(svg, width);
  };
  new ResizeObserver(draw).observe(svg);
  return draw;
}

function drawScale(svg, width, top) {
  const y = (value) => HEIGHT - BELOW - (value / top) * (HEIGHT - BELOW - ABOVE);
  for (const value of [0, top / 2, top]) {
    make('line', { class: 'grid', x1: LEFT, x2: width, y1: y(value), y2: y(value) }, svg);
    write(svg, { x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' }, shorten(value));
  }
  return y;
}

/** Lines over the last `points` seconds. Returns a function that takes all samples. */
export function createLines(figure, title, points, lines) {
  let samples = [];
  const draw = createFigure(
    figure,
    title,
    lines.map(({ label }) => label),
    (svg, width) => {
      const top = ceiling(Math.max(1, ...samples.flatMap((sample) => lines.map(({ read }) => read(sample)))));
      const y = drawScale(svg, width, top);
      const step = (width - LEFT) / (points - 1);
      const x = (i) => width - (samples.length - 1 - i) * step;
      write(svg, { x: LEFT, y: HEIGHT - 3 }, `${points} s ago`);
      write(svg, { x: width, y: HEIGHT - 3, 'text-anchor': 'end' }, 'now');
      lines.forEach(({ read }, i) => {
        const way = samples.map((sample, at) => `${x(at).toFixed(1)} ${y(read(sample)).toFixed(1)}`);
        if (way.length > 0) make('path', { class: `path colour-${i + 1}`, d: `M${way.join('L')}` }, svg);
      });
    },
  );
  return (all) => {
    samples = all;
    draw();
  };
}

/** Bars, one for each count; `labels` stand below. */
export function createBars(figure, title, labels) {
  let counts = labels.map(() => 0);
  const draw = createFigure(figure, title, [], (svg, width) => {
    const y = drawScale(svg, width, ceiling(Math.max(1, ...counts)));
    const step = (width - LEFT) / counts.length;
    counts.forEach((count, i) => {
      const x = LEFT + i * step;
      const size = { width: Math.max(1, step - 4), height: y(0) - y(count) };
      const bar = make('rect', { class: 'bar', x: x + 2, y: y(count), rx: 2, ...size }, svg);
      make('title', {}, bar).textContent = `up to ${labels[i]} ms: ${count}`;
      write(svg, { x: x + step / 2, y: HEIGHT - 3, 'text-anchor': 'middle' }, labels[i]);
    });
  });
  return (all) => {
    counts = all;
    draw();
  };
}
