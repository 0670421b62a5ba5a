// Redraws the page with another scale of the axis. `points` has times in
// microseconds and their x in the drawing; between two points, x is proportional
// to the time.
const drawing = document.getElementById('drawing');
const view = document.getElementById('scroll');
const scale = document.getElementById('scale');
const last = points[points.length - 1];
let zoom = 1;

function stretched(t) {
  let low = 0, high = points.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (points[middle][0] <= t) low = middle; else high = middle - 1;
  }
  const [from, x] = points[low];
  if (low + 1 === points.length) return x;
  const [to, end] = points[low + 1];
  return x + (end - x) * (t - from) / (to - from);
}

function place(t) {
  return zoom * (scale.checked ? points[0][1] + t * last[1] / last[0] : stretched(t));
}

function draw() {
  for (const mark of drawing.querySelectorAll('[data-t]')) {
    const x = place(+mark.dataset.t);
    if (mark.tagName === 'rect') {
      mark.setAttribute('x', x);
      mark.setAttribute('width', Math.max(0.8, place(+mark.dataset.u) - x));
    } else if (mark.tagName === 'line') {
      mark.setAttribute('x1', x);
      mark.setAttribute('x2', x);
    } else if (mark.tagName === 'circle') {
      mark.setAttribute('cx', x);
    } else {
      mark.setAttribute('x', x + +(mark.dataset.dx || 0));
    }
  }
  drawing.setAttribute('width', place(last[0]) + 300);
}

// Keeps the point at `x` of the window in its place.
function zoomBy(factor, x) {
  const before = zoom, at = view.scrollLeft + x;
  zoom = Math.min(Math.max(zoom * factor, 0.05), 5000);
  draw();
  view.scrollLeft = at * zoom / before - x;
}

document.getElementById('tools').hidden = false;
document.getElementById('in').onclick = () => zoomBy(1.6, view.clientWidth / 2);
document.getElementById('out').onclick = () => zoomBy(1 / 1.6, view.clientWidth / 2);
scale.onchange = () => { zoom = 1; draw(); };
view.addEventListener('wheel', event => {
  if (!event.ctrlKey) return;
  event.preventDefault();
  const x = event.clientX - view.getBoundingClientRect().left;
  zoomBy(event.deltaY < 0 ? 1.25 : 0.8, x);
}, { passive: false });
