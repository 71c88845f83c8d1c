package access

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/view"
)

// The life of a session.
const (
	idleAtMost  = 12 * time.Hour
	lastAtMost  = 7 * 24 * time.Hour
	maxSessions = 1000
)

// session is one login. The cookie is kept as its hash.
type session struct {
	name        string
	role        view.Role
	csrf        string
	began, used time.Time
}

func (s *session) over(now time.Time) bool {
	return now.Sub(s.used) >= idleAtMost || now.Sub(s.began) >= lastAtMost
}

// cookieName is bound to this host where the browser speaks TLS.
func (g *Gate) cookieName(r *http.Request) string {
	if g.secure(r) {
		return "__Host-mtawatch"
	}
	return "mtawatch"
}

// secure reports whether the browser speaks TLS, with us or with the proxy before us.
func (g *Gate) secure(r *http.Request) bool {
	return g.cfg.TLS || g.cfg.BehindProxy && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// begin makes a session and gives its cookie's value. The one that was used
// the longest ago makes room.
func (g *Gate) begin(name string, role view.Role, now time.Time) string {
	value := secret()
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.sessions) >= maxSessions {
		var oldest [sha256.Size]byte
		var at time.Time
		for id, s := range g.sessions {
			if s.over(now) {
				delete(g.sessions, id)
			} else if at.IsZero() || s.used.Before(at) {
				oldest, at = id, s.used
			}
		}
		if len(g.sessions) >= maxSessions {
			delete(g.sessions, oldest)
		}
	}
	g.sessions[sha256.Sum256([]byte(value))] = &session{name: name, role: role, csrf: secret(), began: now, used: now}
	return value
}

// find gives who has a session with this cookie.
func (g *Gate) find(value string, now time.Time) (Who, bool) {
	id := sha256.Sum256([]byte(value))
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.sessions[id]
	if s == nil {
		return Who{}, false
	}
	if s.over(now) {
		delete(g.sessions, id)
		return Who{}, false
	}
	s.used = now
	return Who{Name: s.name, Role: s.role, CSRF: s.csrf, session: value}, true
}

// Still reports whether who came in may stay: a session ends by a logout and
// by time. It does not count as use.
func (g *Gate) Still(who Who) bool {
	if who.session == "" {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.sessions[sha256.Sum256([]byte(who.session))]
	return s != nil && !s.over(time.Now())
}

func (g *Gate) end(value string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.sessions, sha256.Sum256([]byte(value)))
}

// setCookie gives a browser its session; with value "" it takes it away.
func (g *Gate) setCookie(w http.ResponseWriter, r *http.Request, value string) {
	c := &http.Cookie{Name: g.cookieName(r), Value: value, Path: "/", HttpOnly: true, Secure: g.secure(r), SameSite: http.SameSiteStrictMode}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}
