// Addresses: each view has a path, each finding its own.

export const VIEWS = [
  { id: 'home', path: '/', title: 'Overview' },
  { id: 'queues', path: '/queues', title: 'Queues' },
  { id: 'failures', path: '/failures', title: 'Failures' },
  { id: 'connections', path: '/connections', title: 'Connections' },
  { id: 'daemons', path: '/daemons', title: 'Daemons' },
  { id: 'trace', path: '/trace', title: 'Trace' },
  { id: 'findings', path: '/findings', title: 'Findings' },
  { id: 'blind', path: '/blind-spots', title: 'Blind spots' },
]

/** The view of a path: {view, id, query}. Unknown paths give the view "lost". */
export function parse(path, search = '') {
  const query = Object.fromEntries(new URLSearchParams(search))
  const clean = path.length > 1 ? path.replace(/\/+$/, '') : path
  const one = clean.match(/^\/findings\/([^/]+)$/)
  if (one) return { view: 'finding', id: safeDecode(one[1]), query }
  const v = VIEWS.find((v) => v.path === (clean || '/'))
  return { view: v ? v.id : 'lost', id: '', query }
}

function safeDecode(text) {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The path with its query; empty values are left out. */
export function href(path, query = {}) {
  const q = new URLSearchParams(Object.entries(query).filter(([, v]) => v !== '' && v !== undefined && v !== null))
  const text = q.toString()
  return path + (text ? '?' + text : '')
}

class Route {
  now = $state(parse('/'))

  constructor() {
    this.read()
    window.addEventListener('popstate', () => this.read())
    document.addEventListener('click', (e) => this.click(e))
  }

  read() {
    this.now = parse(location.pathname, location.search)
  }

  /** Goes to an address; replace leaves no step in the browser's history. */
  go(address, replace = false) {
    if (address !== location.pathname + location.search) history[replace ? 'replaceState' : 'pushState'](null, '', address)
    const before = this.now.view + this.now.id
    this.read()
    if (before !== this.now.view + this.now.id) {
      window.scrollTo(0, 0)
      document.getElementById('main')?.focus({ preventScroll: true })
    }
  }

  /** Sets parameters of the present view's address. */
  set(query) {
    const address = href(location.pathname, { ...this.now.query, ...query })
    if (address !== location.pathname + location.search) this.go(address, true) // else a trace, say, would begin anew
  }

  // A plain click on a link to a view stays in the page.
  click(e) {
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return
    const a = e.target.closest?.('a[href]')
    if (!a || a.target || a.hasAttribute('download') || a.origin !== location.origin) return
    if (parse(a.pathname).view === 'lost') return
    e.preventDefault()
    this.go(a.pathname + a.search)
  }
}

export const route = new Route()
