// A small live line chart in SVG: the last minute, one point each second.

const SVG = 'http://www.w3.org/2000/svg';
const HEIGHT = 76;
const LEFT = 30;
const EDGE = 6;

function make(name, attributes = {}, parent) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent?.append(element);
  return element;
}

/** The smallest of 1, 2, 5, 10, 20, 50 … (of 2, 4, 10 … where halves must be whole) that holds the value. */
function ceiling(value) {
  for (let decade = 1; ; decade *= 10)
    for (const step of [2, 4, 10]) if (step * decade >= value) return step * decade;
}

export function shorten(value) {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)}M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(0)}k`;
  return String(Math.round(value));
}

/**
 * @param {HTMLElement} holder
 * @param {object} options
 * @param {string} options.title
 * @param {number} options.points how many fit
 * @param {{ key: string, label: string }[]} options.series drawn in the colours --line-1, --line-2
 */
export function createChart(holder, { title, points, series }) {
  const caption = document.createElement('p');
  caption.className = 'chart-title';
  const heading = document.createElement('span');
  heading.textContent = title;
  caption.append(heading);
  const svg = make('svg', { role: 'img', height: HEIGHT, class: 'chart-plot' });
  const label = make('title', {}, svg);
  const grid = [0, 0.5, 1].map((share) => ({
    share,
    line: make('line', { class: 'chart-grid' }, svg),
    text: make('text', { class: 'chart-tick', 'text-anchor': 'end' }, svg),
  }));
  const lines = series.map(({ key, label: name }, index) => {
    const legend = document.createElement('span');
    legend.className = `chart-legend line-${index + 1}`;
    const value = document.createElement('output');
    value.textContent = '–';
    legend.append(value, ` ${name}`);
    caption.append(legend);
    const area = make('path', { class: `chart-area line-${index + 1}` }, svg);
    const path = make('path', { class: `chart-line line-${index + 1}` }, svg);
    const dot = make('circle', { class: `chart-dot line-${index + 1}`, r: 2.5, visibility: 'hidden' }, svg);
    return { key, name, value, area, path, dot };
  });
  holder.replaceChildren(caption, svg);

  let samples = [];
  let width = 0;

  function draw() {
    if (width === 0) return;
    svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    const highest = Math.max(...samples.flatMap((sample) => lines.map(({ key }) => sample[key])), 0);
    const top = ceiling(highest);
    const right = width - EDGE;
    const x = (index) => right - ((samples.length - 1 - index) * (right - LEFT)) / (points - 1);
    const y = (value) => HEIGHT - EDGE - (value / top) * (HEIGHT - 2 * EDGE);
    for (const { share, line, text } of grid) {
      const height = y(share * top);
      for (const [key, value] of Object.entries({ x1: LEFT, x2: right, y1: height, y2: height }))
        line.setAttribute(key, value);
      text.setAttribute('x', LEFT - 6);
      text.setAttribute('y', height + 3.5);
      text.textContent = shorten(share * top);
    }
    for (const { key, value, area, path, dot } of lines) {
      const last = samples.at(-1);
      value.textContent = last === undefined ? '–' : shorten(last[key]);
      const steps = samples.map((sample, i) => `${x(i).toFixed(1)},${y(sample[key]).toFixed(1)}`);
      path.setAttribute('d', steps.length === 0 ? '' : `M${steps.join('L')}`);
      const base = y(0).toFixed(1);
      area.setAttribute(
        'd',
        steps.length === 0 ? '' : `M${x(0).toFixed(1)},${base}L${steps.join('L')}L${right},${base}Z`,
      );
      if (last === undefined) continue;
      dot.setAttribute('cx', x(samples.length - 1));
      dot.setAttribute('cy', y(last[key]));
      dot.setAttribute('visibility', 'visible');
    }
    const now = lines.map(({ name, value }) => `${value.textContent} ${name}`).join(', ');
    label.textContent = `${title}: ${now}; at most ${shorten(highest)} in the last minute`;
  }

  new ResizeObserver(([entry]) => {
    width = Math.round(entry.contentRect.width);
    draw();
  }).observe(svg);

  return {
    /** @param {Record<string, number>[]} all */
    set(all) {
      samples = all.slice(-points);
      draw();
    },
    /** @param {Record<string, number>} sample */
    push(sample) {
      samples.push(sample);
      if (samples.length > points) samples.shift();
      draw();
    },
  };
}
