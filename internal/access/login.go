package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"math"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/mtawatch/mtawatch/internal/view"
)

// The paths that the Gate serves itself.
const (
	LoginPath  = "/login"
	LogoutPath = "/logout"
)

// The bounds of trying passwords. A bcrypt hash costs some 50 ms.
const (
	maxTrying  = 8 // at a time; the others are refused
	freeTries  = 5 // failures of one address before it must wait
	firstWait  = 30 * time.Second
	longWait   = 15 * time.Minute
	forget     = time.Hour
	maxFailed  = 4096 // addresses
	maxForm    = 8 << 10
	maxPasswd  = 72 // bytes; bcrypt takes no more
	wrongLogin = "name or password is wrong"
)

// failures are those of one address.
type failures struct {
	n    int
	last time.Time
}

func (f *failures) wait(now time.Time) time.Duration {
	if f == nil || f.n < freeTries {
		return 0
	}
	w := time.Duration(math.Min(float64(firstWait)*math.Pow(2, float64(f.n-freeTries)), float64(longWait)))
	return w - now.Sub(f.last)
}

// tooOften says that an address has failed too often, or that too many try at once.
type tooOften struct{ wait time.Duration }

func (t *tooOften) Error() string { return "too many attempts; try again later" }

func (t *tooOften) seconds() string { return strconv.Itoa(int(t.wait/time.Second) + 1) }

func (t *tooOften) answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Retry-After", t.seconds())
	refuse(w, r, http.StatusTooManyRequests, t.Error())
}

// remote is the address by which failures are counted.
func (g *Gate) remote(r *http.Request) string {
	if g.cfg.BehindProxy {
		list := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		if last := strings.TrimSpace(list[len(list)-1]); last != "" {
			return network(last[:min(len(last), 64)])
		}
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return network(host)
	}
	return r.RemoteAddr
}

// network is the address itself, and of IPv6 the /64, in which every host may
// take any address.
func network(host string) string {
	a, err := netip.ParseAddr(host)
	if a = a.Unmap().WithZone(""); err != nil || a.Is4() {
		return host
	}
	p, _ := a.Prefix(64) // such an address has 128 bits
	return p.String()
}

// try tests a name and password, and gives the role. With no name the
// password may be a token.
func (g *Gate) try(r *http.Request, name, password string) (view.Role, error) {
	now, from := time.Now(), g.remote(r)
	g.mu.Lock()
	wait := g.failed[from].wait(now)
	g.mu.Unlock()
	if wait > 0 {
		return "", &tooOften{wait}
	}
	role, err := g.test(r, name, password)
	if errors.Is(err, errWrong) {
		g.fail(from, now)
	} else if err == nil {
		g.mu.Lock()
		delete(g.failed, from)
		g.mu.Unlock()
	}
	return role, err
}

func (g *Gate) test(r *http.Request, name, password string) (view.Role, error) {
	if name == "" {
		if t, ok := g.tokens[sha256.Sum256([]byte(password))]; ok && t.Role != RoleMetrics {
			return t.Role, nil
		}
		return "", errWrong
	}
	select {
	case g.queue <- struct{}{}:
		defer func() { <-g.queue }()
	default:
		return "", &tooOften{5 * time.Second}
	}
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-r.Context().Done():
		return "", r.Context().Err()
	}
	u, known := g.users[name]
	if len(g.cfg.Users) == 0 {
		return "", errWrong
	}
	hash := []byte(g.cfg.Users[0].PasswordHash) // a name that is not known takes as long
	if known {
		hash = []byte(u.PasswordHash)
	}
	if len(password) > maxPasswd || bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil || !known {
		return "", errWrong
	}
	return u.Role, nil
}

// fail notes a failure of an address.
func (g *Gate) fail(from string, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.failed[from]
	if f == nil {
		if len(g.failed) >= maxFailed {
			for a, o := range g.failed {
				if now.Sub(o.last) >= forget {
					delete(g.failed, a)
				}
			}
		}
		if len(g.failed) >= maxFailed {
			return // the one password at a time bounds what so many can try
		}
		f = new(failures)
		g.failed[from] = f
	}
	if now.Sub(f.last) >= forget {
		f.n = 0
	}
	f.n, f.last = f.n+1, now
}

// credentials of a login, as a form or as JSON.
type credentials struct {
	Name     string `json:"name"`
	Password string `json:"password"`
	Next     string `json:"next"`
}

func (g *Gate) login(w http.ResponseWriter, r *http.Request, who Who) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		next := local(r.URL.Query().Get("next"))
		if who.Role != "" {
			http.Redirect(w, r, next, http.StatusSeeOther)
			return
		}
		form(w, http.StatusOK, next, "")
		return
	case http.MethodPost:
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		refuse(w, r, http.StatusMethodNotAllowed, "use GET or POST")
		return
	}
	c, asJSON, err := readCredentials(w, r)
	switch {
	case err != nil:
		refuse(w, r, http.StatusBadRequest, err.Error())
		return
	case !SameOrigin(r): // nobody is to be logged in by another's page
		refuse(w, r, http.StatusForbidden, "a page of another site asked")
		return
	case !g.Required():
		refuse(w, r, http.StatusNotFound, "nobody needs to log in here")
		return
	}
	role, err := g.try(r, c.Name, c.Password)
	var slow *tooOften
	switch {
	case errors.As(err, &slow) && !asJSON:
		w.Header().Set("Retry-After", slow.seconds())
		form(w, http.StatusTooManyRequests, local(c.Next), slow.Error())
	case errors.As(err, &slow):
		slow.answer(w, r)
	case err != nil && asJSON:
		refuse(w, r, http.StatusUnauthorized, wrongLogin)
	case err != nil:
		form(w, http.StatusUnauthorized, local(c.Next), wrongLogin)
	default:
		g.welcome(w, r, c, role, asJSON)
	}
}

// welcome begins the session of who has logged in; one that the browser had is over.
func (g *Gate) welcome(w http.ResponseWriter, r *http.Request, c credentials, role view.Role, asJSON bool) {
	if old, err := r.Cookie(g.cookieName(r)); err == nil {
		g.end(old.Value)
	}
	name := c.Name
	if name == "" {
		name = g.tokens[sha256.Sum256([]byte(c.Password))].Name
	}
	value := g.begin(name, role, time.Now())
	g.setCookie(w, r, value)
	if !asJSON {
		http.Redirect(w, r, local(c.Next), http.StatusSeeOther)
		return
	}
	who, _ := g.find(value, time.Now())
	writeJSON(w, http.StatusOK, g.Of(who))
}

func readCredentials(w http.ResponseWriter, r *http.Request) (c credentials, asJSON bool, err error) {
	LimitBody(w, r, maxForm)
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/json" {
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
			return c, true, fmt.Errorf("read login: %w", err)
		}
		return c, true, nil
	}
	if err := r.ParseForm(); err != nil {
		return c, false, fmt.Errorf("read login: %w", err)
	}
	f := r.PostForm
	return credentials{f.Get("name"), f.Get("password"), f.Get("next")}, false, nil
}

// logout ends the session, when the page that has it asks.
func (g *Gate) logout(w http.ResponseWriter, r *http.Request, who Who) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		refuse(w, r, http.StatusMethodNotAllowed, "use POST")
		return
	}
	LimitBody(w, r, maxForm)
	token := r.Header.Get("X-CSRF-Token")
	if token == "" {
		token = r.PostFormValue("csrf")
	}
	if !SameOrigin(r) || who.session != "" && subtle.ConstantTimeCompare([]byte(token), []byte(who.CSRF)) != 1 {
		refuse(w, r, http.StatusForbidden, "the page is not that of the session; load it again")
		return
	}
	g.end(who.session)
	g.setCookie(w, r, "")
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, LoginPath, http.StatusSeeOther)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// local makes sure that a path is one of this server.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") ||
		strings.HasPrefix(u.Path, LoginPath) || strings.HasPrefix(u.Path, "//") {
		return "/"
	}
	return next
}

var page = template.Must(template.New("login").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>mtawatch: log in</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/assets/plain.css">
<main class="login">
<h1>mtawatch</h1>
{{with .Error}}<p role="alert"><strong>{{.}}</strong></p>{{end}}
<form method="post" action="/login">
<input type="hidden" name="next" value="{{.Next}}">
<p><label>Name<br><input name="name" autocomplete="username" autofocus></label>
<p><label>Password<br><input name="password" type="password" autocomplete="current-password" required></label>
<p><button>Log in</button>
</form>
<p>Without a name, a token is taken for the password.
</main>
`))

func form(w http.ResponseWriter, code int, next, trouble string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "same-origin") // without a referrer the form's Origin would be "null"
	w.WriteHeader(code)
	_ = page.Execute(w, struct{ Next, Error string }{next, trouble}) // the reader may be gone
}

// refuse answers with an error as the API does.
func refuse(w http.ResponseWriter, _ *http.Request, code int, text string) {
	writeJSON(w, code, struct {
		Error string `json:"error"`
	}{text})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set(MarkHeader, "1")
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the reader may be gone
}
