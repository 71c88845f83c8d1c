// Dark or light: as the system says, unless the reader chose.

const KEY = 'mtawatch-theme'

function stored() {
  try {
    const v = localStorage.getItem(KEY)
    return v === 'dark' || v === 'light' ? v : ''
  } catch {
    return '' // storage may be forbidden; then the system decides
  }
}

class Theme {
  chosen = $state(stored())
  system = $state(matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')
  now = $derived(this.chosen || this.system)

  constructor() {
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', (e) => {
      this.system = e.matches ? 'dark' : 'light'
      this.show()
    })
    this.show()
  }

  show() {
    document.documentElement.dataset.theme = this.chosen || this.system
  }

  toggle() {
    const next = this.now === 'dark' ? 'light' : 'dark'
    this.chosen = next === this.system ? '' : next
    try {
      if (this.chosen) localStorage.setItem(KEY, this.chosen)
      else localStorage.removeItem(KEY)
    } catch {
      // the choice lasts as long as the page
    }
    this.show()
  }
}

export const theme = new Theme()

/** The colours of the page for what is drawn on a canvas. */
export function colours() {
  const style = getComputedStyle(document.documentElement)
  const c = (name) => style.getPropertyValue('--' + name).trim()
  return {
    ink: c('ink'), soft: c('ink-soft'), faint: c('ink-faint'), rule: c('rule'), band: c('band'), line: c('line'), line2: c('line-2'),
    critical: c('critical-line'), warning: c('warning-line'), unknown: c('ink-faint'), accent: c('accent'),
    criticalWash: c('critical-wash'), warningWash: c('warning-wash'), page: c('card'),
  }
}
