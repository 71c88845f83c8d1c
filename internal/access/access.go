// Package access tells who asks and what they may do. A request goes in; out
// comes the same with a Who, or a refusal.
//
// Askers are known by a session's cookie (people, after a login), by a bearer
// token (programs), or by basic authentication (Prometheus). Where no user
// and no token is configured nobody is asked who they are: that is for a door
// that only this machine can open.
//
// Promised: a request that changes something is taken only from who may
// change, with the CSRF token of the session and from a page of this server;
// bearer tokens and the unix socket need neither, for no browser sends those
// by itself. Passwords are kept as bcrypt hashes alone, tried one at a time,
// and ever more slowly. Sessions and what is noted of failures are bounded,
// and in memory: a restart ends all sessions.
//
// The file formats are those of the Prometheus exporter-toolkit's web
// configuration (docs/web-configuration.md there), as far as ReadWebConfig tells.
package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/mtawatch/mtawatch/internal/view"
)

// RoleMetrics may read /metrics and nothing else.
const RoleMetrics view.Role = "metrics"

// User is a person who logs in.
type User struct {
	Name         string    `yaml:"name"`
	PasswordHash string    `yaml:"password_hash"` // bcrypt
	Role         view.Role `yaml:"role"`          // admin or viewer
}

// Token is a program's.
type Token struct {
	Name  string
	Role  view.Role // admin, viewer or metrics
	Value string
}

// Config sets up a Gate. Zero values: nobody is asked who they are.
type Config struct {
	Users       []User
	Tokens      []Token
	TLS         bool // the door speaks TLS
	BehindProxy bool // who asks is told by X-Forwarded-For, whether over TLS by X-Forwarded-Proto
}

// Who is one who asks.
type Who struct {
	Name    string
	Role    view.Role // "" may do nothing
	CSRF    string    // what a change must carry
	Trusted bool      // nothing that a browser sends by itself told who it is
	session string
}

// MarkHeader is in every answer of mtawatch's API.
const MarkHeader = "Mtawatch-Api"

// Session is what a page is told of its own session.
type Session struct {
	User          *string   `json:"user"`
	Role          view.Role `json:"role,omitempty"`
	CSRF          string    `json:"csrf,omitempty"`
	LoginRequired bool      `json:"login_required"`
}

type key struct{}

// With gives a context of a request from who.
func With(ctx context.Context, who Who) context.Context { return context.WithValue(ctx, key{}, who) }

// From tells who asks; the zero Who, who may do nothing, when that was not found out.
func From(ctx context.Context) Who {
	who, _ := ctx.Value(key{}).(Who)
	return who
}

// Trusted is the gate of a door that only those can open who may do
// everything: the unix socket.
func Trusted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(With(r.Context(), Who{Role: view.RoleAdmin, Trusted: true})))
	})
}

// Gate knows who may come in. It may be used by several goroutines.
type Gate struct {
	cfg    Config
	users  map[string]User
	tokens map[[sha256.Size]byte]Token
	open   string // CSRF token where nobody logs in
	salt   string
	turn   chan struct{} // one password is tried at a time
	queue  chan struct{} // and few wait

	mu       sync.Mutex
	sessions map[[sha256.Size]byte]*session
	good     map[[sha256.Size]byte]bool // basic credentials that were right
	failed   map[string]*failures
}

// New makes a Gate.
func New(cfg Config) *Gate {
	g := &Gate{cfg: cfg, users: make(map[string]User), tokens: make(map[[sha256.Size]byte]Token), open: secret(), salt: secret(),
		turn: make(chan struct{}, 1), queue: make(chan struct{}, maxTrying), sessions: make(map[[sha256.Size]byte]*session),
		good: make(map[[sha256.Size]byte]bool), failed: make(map[string]*failures)}
	for _, u := range cfg.Users {
		g.users[u.Name] = u
	}
	for _, t := range cfg.Tokens {
		g.tokens[sha256.Sum256([]byte(t.Value))] = t
	}
	return g
}

// secret gives 256 random bits.
func secret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Required reports whether askers must say who they are.
func (g *Gate) Required() bool { return len(g.users) > 0 || len(g.tokens) > 0 }

// Handler serves the login and lets in to next who may come in.
func (g *Gate) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := g.identify(r)
		at := r.URL.Path
		switch {
		case at == LoginPath:
			g.login(w, r, who)
		case at == LogoutPath:
			g.logout(w, r, who)
		case err == nil && who.Role == RoleMetrics && at != "/metrics":
			refuse(w, r, http.StatusForbidden, "this token is for /metrics alone")
		case err == nil || public(at):
			next.ServeHTTP(w, r.WithContext(With(r.Context(), who)))
		default:
			g.turnAway(w, r, err)
		}
	})
}

// public are the paths that show nothing of the mail server: what a page
// needs to offer a login. One with "..", which a browser sends as %2e%2e or
// before %2f, may end anywhere and is none of them.
func public(at string) bool {
	return at == path.Clean(at) && (at == "/api/v1/session" || strings.HasPrefix(at, "/assets/") || at == "/favicon.ico" || at == "/favicon.svg")
}

// errWho: nobody was named, or wrongly.
var (
	errWho   = errors.New("who asks is not known; log in, or send a token")
	errWrong = errors.New("name, password or token is wrong")
)

// identify tells who asks, by what the request carries.
func (g *Gate) identify(r *http.Request) (Who, error) {
	if !g.Required() {
		return Who{Role: view.RoleAdmin, CSRF: g.open}, nil
	}
	kind, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	kind = strings.ToLower(kind)
	// A browser that was asked for a password at /metrics sends it everywhere:
	// the session goes before that, and not before what a program says.
	if kind == "" || kind == "basic" {
		if c, err := r.Cookie(g.cookieName(r)); err == nil {
			if who, ok := g.find(c.Value, time.Now()); ok {
				return who, nil
			}
		}
	}
	switch kind {
	case "":
		return Who{}, errWho
	case "bearer":
		if t, ok := g.tokens[sha256.Sum256([]byte(strings.TrimSpace(value)))]; ok {
			return Who{Name: t.Name, Role: t.Role, Trusted: true}, nil
		}
		return Who{}, errWrong
	case "basic":
		return g.basic(r)
	}
	return Who{}, errWrong
}

// basic tries the name and password of a request. A browser sends those by
// itself, so they permit reading alone.
func (g *Gate) basic(r *http.Request) (Who, error) {
	name, password, ok := r.BasicAuth()
	if !ok {
		return Who{}, errWrong
	}
	sum := sha256.Sum256([]byte(g.salt + "\x00" + name + "\x00" + password))
	g.mu.Lock()
	known := g.good[sum]
	g.mu.Unlock()
	if !known {
		if _, err := g.try(r, name, password); err != nil {
			return Who{}, err
		}
		g.mu.Lock()
		if len(g.good) >= maxGood {
			clear(g.good)
		}
		g.good[sum] = true
		g.mu.Unlock()
	}
	return Who{Name: name, Role: view.RoleViewer}, nil
}

// maxGood bounds the basic credentials that are remembered as right.
const maxGood = 100

// turnAway says that a request needs to tell who asks: a page goes to the login.
func (g *Gate) turnAway(w http.ResponseWriter, r *http.Request, err error) {
	var slow *tooOften
	switch {
	case errors.As(err, &slow):
		slow.answer(w, r)
	case r.URL.Path != "/metrics" && !strings.HasPrefix(r.URL.Path, "/api/") && r.Method == http.MethodGet && errors.Is(err, errWho):
		http.Redirect(w, r, LoginPath+"?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
	default:
		scheme := "Bearer"
		if r.URL.Path == "/metrics" {
			scheme = `Basic realm="mtawatch"`
		}
		w.Header().Set("WWW-Authenticate", scheme)
		refuse(w, r, http.StatusUnauthorized, err.Error())
	}
}

// Of tells a page of its session.
func (g *Gate) Of(who Who) Session {
	s := Session{Role: who.Role, CSRF: who.CSRF, LoginRequired: g.Required()}
	if who.Name != "" {
		s.User = &who.Name
	}
	return s
}

// ErrRefused says that a change may not be made by who asks for it.
var ErrRefused = errors.New("not permitted")

// CheckChange tells whether a request may change something.
func CheckChange(r *http.Request) error {
	who := From(r.Context())
	switch {
	case who.Role != view.RoleAdmin:
		return refusal("your role may read and not change")
	case who.Trusted:
		return nil
	case !SameOrigin(r):
		return refusal("a page of another site asked")
	case who.CSRF == "" || subtle.ConstantTimeCompare([]byte(r.Header.Get("X-CSRF-Token")), []byte(who.CSRF)) != 1:
		return refusal("the header X-CSRF-Token is not that of the session; load the page again")
	}
	return nil
}

type refusal string

func (r refusal) Error() string { return string(r) }
func (refusal) Unwrap() error   { return ErrRefused }

// bodyWithin is the time in which what a request carries must come.
const bodyWithin = 10 * time.Second

// LimitBody bounds what a request carries, in bytes and in time.
func LimitBody(w http.ResponseWriter, r *http.Request, most int64) {
	r.Body = http.MaxBytesReader(w, r.Body, most)
	// Where it is not supported there is no connection either.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyWithin))
}

// SameOrigin reports whether a browser sent a request from a page of this
// server, or no browser did. Sec-Fetch-Site goes before Origin, which is
// "null" for a form of a page that sends no referrer.
func SameOrigin(r *http.Request) bool {
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "":
	case "same-origin":
		return true
	case "none":
	default:
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}
