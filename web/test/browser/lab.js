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

/** Asks until the answer is not falsy; ends with an error that says what was waited for. */
export async function until(what, ask, patience = 20000) {
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

/** A practice MTA with traffic, watched. */
export class Lab {
  /** Starts it and waits until its figures are there. */
  async start() {
    this.dir = mkdtempSync(path.join(tmpdir(), 'mtawatch-web-'))
    this.base = path.join(this.dir, 'base')
    this.said = ''
    this.child = spawn(binary, ['lab', '--watch', '--base', this.base], { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const out of [this.child.stdout, this.child.stderr]) out.on('data', (text) => (this.said += text))
    await until('the practice MTA', () => {
      if (this.child.exitCode !== null) throw new Error(`it ended: ${this.said.slice(-500)}`)
      return /It goes on: (http:\S+?)\/? /.test(this.said)
    }, 120000)
    this.api = this.said.match(/It goes on: (http:\/\/[\d.:]+)/)[1]
    const st = await this.get('status')
    this.instance = st.instances[0]
    this.smtp = this.instance.listen.find((l) => l.service === 'SMTP').port
  }

  async get(question) {
    const res = await fetch(`${this.api}/api/v1/${question}`)
    if (!res.ok) throw new Error(`${question}: status ${res.status}`)
    return res.json()
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
    socket.on('data', (text) => (got += text))
    const reply = async () => {
      const text = await until('a reply of SMTP', () => got.match(/^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/)?.[0], 10000)
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
   * Writes to the mail log what the MTA would write of a delivery that failed:
   * the last such line, with another queue id, sender and reply.
   */
  async fail(id, from, reply) {
    const file = path.join(this.base, 'data/log/mail.log_current')
    const old = await until('a delivery that was put off', () => readFileSync(file, 'utf8').split('\n').findLast((l) => / QE \d/.test(l) && l.includes(' smtp;4')), 60000)
    const [head, tail] = old.split(' smtp;')
    const sender = head.match(/ QE \d+ (\S+) /)[1]
    const was = head.match(/\/Z?([^/\s]+)\.\d+ /)[1]
    const line = head.replace(` ${sender} `, ` ${from} `).replace(was, was[0] + id) + ' smtp;' + reply
    appendFileSync(file, line + '\n')
    return { line, tail }
  }

  /** Another daemon on the same MTA, with users or without. */
  async door(users = []) {
    const config = path.join(this.dir, `door-${users.length}.yaml`)
    const listen = `127.0.0.1:${await freePort()}`
    const lines = []
    for (const u of users) {
      const hash = await hashed(u.password)
      lines.push(`    - {name: ${u.name}, role: ${u.role}, password_hash: "${hash}"}`)
    }
    const web = users.length ? ['web:', '  users:', ...lines] : []
    writeFileSync(config, [`listen: ${listen}`, `data_dir: ${config}.d`, 'expose_messages: true', 'detect: false', 'import: false', 'probe:', '  remote: false',
      ...web, 'instances:', '  - mta: imta', `    name: ${this.instance.name}`, `    base_dir: ${this.base}`, ''].join('\n'))
    const door = new Door(config, `http://${listen}`)
    await door.open()
    return door
  }

  async stop() {
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
    }, 30000)
  }

  stop() {
    return ended(this.child)
  }
}

async function ended(child) {
  if (!child || child.exitCode !== null) return
  const over = new Promise((done) => child.once('exit', done))
  child.kill('SIGINT')
  await Promise.race([over, sleep(15000)])
  if (child.exitCode === null) child.kill('SIGKILL')
}

function hashed(password) {
  return new Promise((done, fail) => {
    const child = execFile(binary, ['hash-password'], (err, out) => (err ? fail(err) : done(out.trim())))
    child.stdin.end(password + '\n')
  })
}

function freePort() {
  return new Promise((done) => {
    const s = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = s.address()
      s.close(() => done(port))
    })
  })
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
  const page = await context.newPage()
  const origin = new URL(address).origin
  page.wrongs = []
  page.allowed = [] // texts of console errors that a test brings about itself
  page.on('console', (m) => m.type() === 'error' && !page.allowed.some((t) => m.text().includes(t)) && page.wrongs.push('console: ' + m.text()))
  page.on('pageerror', (e) => page.wrongs.push('error: ' + e.message))
  page.on('request', (r) => new URL(r.url()).origin !== origin && !r.url().startsWith('data:') && page.wrongs.push('foreign request: ' + r.url()))
  page.on('dialog', (d) => (page.wrongs.push('dialog: ' + d.message()), d.dismiss()))
  await page.goto(address)
  return page
}

const axeSource = readFileSync(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')

/** What axe finds wrong, one line each. Run by the debugger's door, which the page's policy does not bind. */
export async function axe(page) {
  await page.evaluate(axeSource)
  const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }))
  return result.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.target.join(' ') + ' ' + (n.any[0]?.message ?? '')).join(' | ')}`)
}
