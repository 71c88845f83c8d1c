// What the page knows of the daemon, kept fresh: by events while they come,
// by asking every few seconds while they do not.
import { get, post, send, ApiError } from './api.js'
import { applyChange, isQuiet, order } from './findings.js'
import { rank } from './words.js'

const POLL = 5000 // while no events come
const PATIENCE = 35000 // no event for this long, beyond the daemon's own interval, is a dead stream
const RETRY_MAX = 15000

const KEY = 'mtawatch-instance'

function stored() {
  try {
    return sessionStorage.getItem(KEY) ?? ''
  } catch {
    return '' // storage may be forbidden
  }
}

class Live {
  status = $state.raw(null) // view.Status
  session = $state.raw({ user: null, role: 'viewer', csrf: '', login_required: false })
  needLogin = $state(false)
  lostSince = $state(0) // ms; 0: connected
  lostWhy = $state('')
  streaming = $state(false) // events come
  tick = $state(0) // grows with each new status; views ask anew
  changes = $state(0) // grows with each change of a finding
  news = $state('') // for screen readers
  now = $state(Date.now())
  chosen = $state(stored()) // the instance that the reader picked; '' for the first

  #source = null
  #retry = 1000
  #polling = 0
  #heard = 0
  #interval = 10000
  #asking = null

  get instances() {
    return this.status?.instances ?? []
  }

  get instance() {
    return this.instances.find((i) => i.name === this.chosen) ?? this.instances[0] ?? null
  }

  /** Shows another instance, as long as the tab lives. */
  choose(name) {
    this.chosen = name
    try {
      sessionStorage.setItem(KEY, name)
    } catch {
      // until the page is loaded anew
    }
  }

  /** The instances that are not shown and are in trouble. */
  get elsewhere() {
    return this.instances.filter(
      (i) => i.name !== this.instance?.name && (i.processes.missing?.length || this.status.findings?.some((f) => f.instance === i.name && rank(f.severity) > 1 && !isQuiet(f, this.now))),
    )
  }

  /** Open findings of the picked instance and of the host. */
  get open() {
    const name = this.instance?.name
    return order((this.status?.findings ?? []).filter((f) => !f.instance || f.instance === name || !name))
  }

  get loud() {
    return this.open.filter((f) => !isQuiet(f, this.now))
  }

  get quiet() {
    return this.open.filter((f) => isQuiet(f, this.now))
  }

  get mayChange() {
    return this.session.role === 'admin' && Boolean(this.session.csrf)
  }

  async start() {
    setInterval(() => this.#second(), 1000)
    document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && this.refresh())
    await this.enter()
  }

  /** Learns who is logged in; then what there is. */
  async enter() {
    await this.#learn()
    if (this.needLogin) return this.#login()
    await this.refresh()
    this.#listen()
  }

  async #learn() {
    try {
      this.session = await get('/session')
      this.needLogin = this.session.login_required && !this.session.user
    } catch (e) {
      // A daemon without sessions changes nothing and shows all.
      if (e instanceof ApiError && e.status === 401) this.needLogin = true
    }
  }

  /** Asks for the status; one question at a time. */
  refresh() {
    this.#asking ??= this.#ask().finally(() => (this.#asking = null))
    return this.#asking
  }

  async #ask() {
    try {
      this.#take(await get('/status', {}, AbortSignal.timeout(10000)))
    } catch (e) {
      if (e instanceof ApiError && e.status === 401) {
        this.#login() // the session has ended
        return
      }
      this.#lost(e instanceof ApiError ? e.message : 'the daemon does not answer')
    }
  }

  #take(status) {
    this.status = status
    this.lostSince = 0
    this.lostWhy = ''
    this.now = Date.now()
    this.tick++
  }

  #lost(why) {
    this.lostSince ||= Date.now()
    this.lostWhy = why
  }

  #listen() {
    if (this.#source || this.needLogin || !window.EventSource) return
    const source = new EventSource('/api/v1/events')
    this.#source = source
    this.#heard = Date.now()
    source.addEventListener('hello', (e) =>
      this.#event(e, (hello) => {
        this.#retry = 1000
        this.#interval = (hello.interval_ns ?? 0) / 1e6 || 10000
        this.streaming = true
        this.#learn() // a daemon that was started anew has another token
      }),
    )
    source.addEventListener('status', (e) => this.#event(e, (status) => this.#take(status)))
    source.addEventListener('finding', (e) => this.#event(e, (change) => this.#change(change)))
    source.onerror = () => this.#again()
  }

  #event(e, use) {
    this.#heard = Date.now()
    try {
      use(JSON.parse(e.data))
    } catch {
      this.refresh() // an event that cannot be read still says that something is new
    }
  }

  #change(change) {
    if (this.status) this.status = { ...this.status, findings: applyChange(this.status.findings, change) }
    this.changes++
    const what = { opened: 'New', changed: 'Changed', resolved: 'Over' }[change.kind] ?? 'News'
    this.news = `${what}, ${change.finding.severity}: ${change.finding.title}`
  }

  #close() {
    this.#source?.close()
    this.#source = null
    this.streaming = false
  }

  // The browser's own reconnection gives up at some errors; ours does not.
  #again() {
    this.#close()
    setTimeout(() => this.#listen(), this.#retry)
    this.#retry = Math.min(this.#retry * 2, RETRY_MAX)
    this.refresh()
  }

  #second() {
    this.now = Date.now()
    if (this.needLogin) return
    if (this.streaming && this.now - this.#heard > PATIENCE + this.#interval) this.#again()
    if (!this.streaming && this.now - this.#polling > POLL && document.visibilityState === 'visible') {
      this.#polling = this.now
      this.refresh()
    }
  }

  /** Ends the session; the page then asks for a login. */
  async logout() {
    await post('/logout', {}, this.session.csrf)
    this.#login()
  }

  // The login is a page of the daemon's own, and leads back to this one.
  #login() {
    this.needLogin = true
    this.#close()
    location.assign('/login?next=' + encodeURIComponent(location.pathname + location.search))
  }

  /** Changes something at the daemon and looks at what came of it. */
  async change(method, path, body) {
    const answer = await send(method, path, body, this.session.csrf)
    this.changes++
    await this.refresh()
    return answer
  }
}

export const live = new Live()
