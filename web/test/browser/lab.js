// What the browser tests stand on: the practice MTA, watched by the daemon that
// serves the page, and Chromium.
import { execFile, spawn } from 'node:child_process'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { chromium } from 'playwright-core'

const root = new URL('../../../', import.meta.url).pathname
export const binary = process.env.MTAWATCH_BINARY || root + 'bin/mtawatch'
export const dist = root + 'internal/web/dist/'
const run = promisify(execFile)

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms))

// How long a test waits for what must come, ms: much longer than it ever takes,
// for a slow machine has no fault.
export const PATIENCE = 120000

/** Asks until the answer is not falsy; ends with an error that says what was waited for. */
export async function until(what, ask, patience = PATIENCE) {
  const end = Date.now() + patience
  let last
  for (;;) {
    try {
      const answer = await ask()
      if (answer) return answer
    } catch (e) {
      last = e
    }
    if (Date.now() > end) throw new Error(`waited ${patience / 1000} s for ${what}${last ? ': ' + last.message : ''}`)
    await sleep(50)
  }
}

/** A practice MTA with traffic. */
export class Lab {
  doors = []

  /** Starts it, watched, and waits until its figures are there. */
  async start() {
    await this.#start(/It goes on: (http:\S+?)\/? /, '--watch')
    this.api = this.said.match(/It goes on: (http:\/\/[\d.:]+)/)[1]
    await until('its figures', async () => (this.instance = (await this.get('status')).instances[0]))
  }

  /** Starts it without a daemon that watches. */
  async startAlone() {
    await this.#start(/Ctrl-C ends it/, '--rate', '0.5')
  }

  async #start(sign, ...args) {
    this.dir = mkdtempSync(path.join(tmpdir(), 'mtawatch-web-'))
    this.base = path.join(this.dir, 'base')
    this.said = ''
    this.child = spawn(binary, ['lab', '--base', this.base, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const out of [this.child.stdout, this.child.stderr]) out.on('data', (text) => (this.said += text))
    await until('the practice MTA', () => {
      if (this.child.exitCode !== null) throw new Error(`it ended: ${this.said.slice(-500)}`)
      return sign.test(this.said)
    }, 3 * PATIENCE)
    this.smtp = Number(this.said.match(/SMTP 127\.0\.0\.1:(\d+)/)[1])
  }

  get(question) {
    return answer(this.api, question)
  }

  command(...args) {
    return run(binary, ['lab', '--base', this.base, ...args])
  }

  /** Stops a daemon. On a busy machine it may have to be killed, which is as good here. */
  end(daemon) {
    return this.command('stop', daemon).catch((e) => {
      if (!/was killed/.test(e.stderr)) throw e
    })
  }

  /** Gives one letter to the MTA; the reply to each recipient comes back. */
  async send(from, recipients, messageId) {
    const socket = net.connect(this.smtp, '127.0.0.1')
    socket.setEncoding('utf8')
    let got = ''
    let broken
    socket.on('data', (text) => (got += text))
    socket.on('error', (e) => (broken = e))
    const reply = async () => {
      const text = await until('a reply of SMTP', () => got.match(/^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/)?.[0] ?? (broken && '-'))
      if (text === '-') throw broken
      got = got.slice(text.length)
      return text.trim()
    }
    const say = (line) => (socket.write(line + '\r\n'), reply())
    await reply()
    await say('EHLO client.example')
    await say(`MAIL FROM:<${from}>`)
    const replies = []
    for (const to of recipients) replies.push(await say(`RCPT TO:<${to}>`))
    if (replies.some((r) => r.startsWith('2'))) {
      await say('DATA')
      replies.push(await say(`From: <${from}>\r\nSubject: practice\r\nMessage-ID: <${messageId}>\r\n\r\nhello\r\n.`))
    }
    await say('QUIT').catch(() => '')
    socket.destroy()
    return replies
  }

  /**
   * Gives the MTA a letter that stays in its queue: to a host that refuses every
   * connection. It comes back when it was tried and the table of the queue has it,
   * by the daemon that is asked.
   */
  async stuck(address, daemon = this, instance = this.instance.name) {
    const destination = `[${address}]`
    const replies = await this.send('ada@practice.example', [`ben@${destination}`], `${address}@practice.example`)
    if (!replies.at(-1).startsWith('250')) throw new Error(`not taken: ${replies}`)
    const of = `instance=${instance}&destination=${encodeURIComponent(destination)}`
    const message = await until('a message that was put off', async () => (await daemon.get(`queue/messages?${of}`)).messages.find((m) => m.recipients[0].reason))
    await until('its row in the table of the queue', async () => {
      const { detail } = await daemon.get(`queue?instance=${instance}&top=50&fresh=true`)
      return detail[0].destinations.some((d) => d.destination === destination)
    })
    return { destination, message }
  }

  /**
   * Writes to the mail log what the MTA would write of a delivery that failed:
   * the last such line, with another queue id, sender, domain and reply.
   */
  async fail(id, from, domain, reply) {
    const file = path.join(this.base, 'data/log/mail.log_current')
    const old = await until('a delivery that was put off', () => readFileSync(file, 'utf8').split('\n').findLast((l) => / QE \d/.test(l) && l.includes(' smtp;4')))
    const [head] = old.split(' smtp;')
    const sender = head.match(/ QE \d+ (\S+) /)[1]
    const was = head.match(/\/Z?([^/\s]+)\.\d+ /)[1]
    const site = head.match(/ rfc822;\S+@(\S+) /)[1]
    const line = head.replaceAll(site, domain).replace(` ${sender} `, ` ${from} `).replace(was, was[0] + id) + ' smtp;' + reply
    appendFileSync(file, line + '\n')
  }

  /** Another daemon on the same MTA, with users or without; others: further MTAs by their names. */
  async door(users = [], others = {}) {
    const config = path.join(this.dir, `door-${this.doors.length}.yaml`)
    const listen = `127.0.0.1:${await freePort()}`
    const lines = []
    for (const u of users) {
      const hash = await hashed(u.password)
      lines.push(`    - {name: ${u.name}, role: ${u.role}, password_hash: "${hash}"}`)
    }
    const mtas = Object.entries({ [this.instance.name]: this, ...others }).map(([name, l]) => `  - {mta: imta, name: ${name}, base_dir: ${l.base}}`)
    const web = users.length ? ['web:', '  users:', ...lines] : []
    writeFileSync(config, [`listen: ${listen}`, `data_dir: ${config}.d`, 'expose_messages: true', 'detect: false', 'import: false', 'probe:', '  remote: false',
      ...web, 'instances:', ...mtas, ''].join('\n'))
    const door = new Door(config, `http://${listen}`)
    this.doors.push(door)
    await door.open()
    return door
  }

  async stop() {
    for (const door of this.doors) await door.stop()
    await ended(this.child)
    rmSync(this.dir, { recursive: true, force: true })
  }
}

/** A daemon that can be ended and started again. */
class Door {
  constructor(config, address) {
    this.config = config
    this.address = address
  }

  async open() {
    this.child = spawn(binary, ['--config', this.config, 'run'], { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    this.child.stderr.on('data', (text) => (said += text))
    await until('the daemon', async () => {
      if (this.child.exitCode !== null) throw new Error(said)
      return (await fetch(this.address + '/api/v1/session')).status < 500
    })
  }

  get(question) {
    return answer(this.address, question)
  }

  stop() {
    return ended(this.child)
  }
}

async function answer(address, question) {
  const res = await fetch(`${address}/api/v1/${question}`)
  if (!res.ok) throw new Error(`${question}: status ${res.status}`)
  return res.json()
}

async function ended(child) {
  if (!child || child.exitCode !== null || child.signalCode !== null) return
  const over = new Promise((done) => child.once('exit', done))
  child.kill('SIGINT')
  const kill = setTimeout(() => child.kill('SIGKILL'), 30000)
  await over
  clearTimeout(kill)
}

function hashed(password) {
  return new Promise((done, fail) => {
    const child = execFile(binary, ['hash-password'], (err, out) => (err ? fail(err) : done(out.trim())))
    child.stdin.end(password + '\n')
  })
}

// A port that no connection will take as its own before it is bound: one below those that the kernel gives.
async function freePort() {
  for (;;) {
    const port = 20000 + Math.floor(Math.random() * 12000)
    const s = net.createServer()
    const free = await new Promise((done) => s.once('error', () => done(false)).listen(port, '127.0.0.1', () => s.close(() => done(true))))
    if (free) return port
  }
}

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

export function browser() {
  const found = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((p) => p && existsSync(p))
  if (!found) throw new Error('Chromium is not here; install the package chromium, or name it in CHROMIUM')
  return chromium.launch({ executablePath: found, args: FLAGS })
}

/** A page that notes what must not happen: errors, and requests to others. */
export async function open(chrome, address, options = {}) {
  const context = await chrome.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: 'light', ...options })
  context.setDefaultTimeout(PATIENCE)
  const page = await context.newPage()
  // SLOW_PAGE=4 makes the page four times slower, as on a small machine.
  if (process.env.SLOW_PAGE) await (await context.newCDPSession(page)).send('Emulation.setCPUThrottlingRate', { rate: Number(process.env.SLOW_PAGE) })
  const origin = new URL(address).origin
  page.wrongs = []
  page.allowed = [] // texts of console errors that a test brings about itself
  page.on('console', (m) => m.type() === 'error' && !page.allowed.some((t) => m.text().includes(t)) && page.wrongs.push('console: ' + m.text()))
  page.on('pageerror', (e) => page.wrongs.push('error: ' + e.message))
  page.on('request', (r) => new URL(r.url()).origin !== origin && !r.url().startsWith('data:') && page.wrongs.push('foreign request: ' + r.url()))
  page.asked = new Set() // questions to the daemon that have no answer yet
  page.on('request', (r) => {
    if (r.isNavigationRequest()) page.asked.clear()
    if (/\/api\/v1\/(?!events)/.test(r.url())) page.asked.add(r)
  })
  for (const end of ['requestfinished', 'requestfailed']) page.on(end, (r) => page.asked.delete(r))
  page.on('dialog', (d) => (page.wrongs.push('dialog: ' + d.message()), d.dismiss()))
  await page.goto(address)
  return page
}

/** Waits until every question of the page is answered, and the answers are drawn. */
export async function settled(page) {
  await page.locator('main h1, main h2').first().waitFor({ state: 'attached' })
  await until('a page at rest', async () => {
    if (page.asked.size || (await page.getByText('Asking the daemon').count())) return false
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
    return page.asked.size === 0
  })
}

/** How many times slower than an ordinary machine the page's is just now; at least 1. */
export async function slowness(page) {
  const took = await page.evaluate(() => {
    const begin = performance.now()
    let x = 0
    for (let i = 0; i < 5e6; i++) x += Math.sqrt(i)
    return x && performance.now() - begin
  })
  return Math.max(1, took / 15)
}

const axeSource = readFileSync(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')

/** What axe finds wrong, one line each. Run by the debugger's door, which the page's policy does not bind. */
export async function axe(page) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axeSource)
  const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }))
  return result.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.target.join(' ') + ' ' + (n.any[0]?.message ?? '')).join(' | ')}`)
}
