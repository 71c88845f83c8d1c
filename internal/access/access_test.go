package access_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/mtawatch/mtawatch/internal/access"
	"github.com/mtawatch/mtawatch/internal/view"
)

const (
	token   = "a-token-of-twenty-bytes-and-more"
	reader  = "another-token-of-twenty-bytes-and-more"
	scraper = "a-third-token-of-twenty-bytes-and-more"
)

func hashOf(t testing.TB, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func config(t testing.TB) access.Config {
	return access.Config{Users: []access.User{{Name: "ann", PasswordHash: hashOf(t, "ann's secret"), Role: view.RoleAdmin}, {Name: "vic", PasswordHash: hashOf(t, "vic's secret"), Role: view.RoleViewer}},
		Tokens: []access.Token{{Name: "robot", Role: view.RoleAdmin, Value: token}, {Name: "wall", Role: view.RoleViewer, Value: reader}, {Name: "prom", Role: access.RoleMetrics, Value: scraper}}}
}

// inside is what stands behind the gate: it says who came in, and whether he may change something.
func inside(g *access.Gate) http.Handler {
	return g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := access.From(r.Context())
		if r.Method == http.MethodPost {
			if err := access.CheckChange(r); err != nil {
				http.Error(w, err.Error(), http.StatusForbidden)
				return
			}
		}
		s := g.Of(who)
		fmt.Fprintf(w, "%s|%s|%s|%t", who.Name, s.Role, s.CSRF, s.LoginRequired)
	}))
}

// browser keeps cookies and follows no redirect.
type browser struct {
	*http.Client
	t    *testing.T
	base string
}

func newBrowser(t *testing.T, base string) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{&http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, t, base}
}

// ask gives the status and body, or the place that the browser is sent to.
func (b *browser) ask(method, path, body string, header ...string) (int, string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := b.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if to := res.Header.Get("Location"); to != "" {
		return res.StatusCode, to
	}
	return res.StatusCode, string(text)
}

func login(name, password, next string) string {
	return url.Values{"name": {name}, "password": {password}, "next": {next}}.Encode()
}

func TestOpenGate(t *testing.T) {
	srv := httptest.NewServer(inside(access.New(access.Config{})))
	defer srv.Close()
	b := newBrowser(t, srv.URL)
	code, text := b.ask("GET", "/", "")
	f := strings.Split(text, "|")
	if code != 200 || f[1] != "admin" || f[3] != "false" || len(f[2]) < 40 {
		t.Fatalf("%d %s", code, text)
	}
	for _, tt := range []struct {
		name   string
		header []string
		code   int
	}{
		{"with the token", []string{"X-CSRF-Token", f[2], "Origin", srv.URL}, 200},
		{"without a browser", []string{"X-CSRF-Token", f[2]}, 200},
		{"no token", nil, 403},
		{"another's token", []string{"X-CSRF-Token", f[2] + "x"}, 403},
		{"another's page", []string{"X-CSRF-Token", f[2], "Origin", "https://example.org"}, 403},
		{"a page of no place", []string{"X-CSRF-Token", f[2], "Origin", "null"}, 403},
		{"a page of ours that sends no referrer", []string{"X-CSRF-Token", f[2], "Origin", "null", "Sec-Fetch-Site", "same-origin"}, 200},
		{"another site", []string{"X-CSRF-Token", f[2], "Sec-Fetch-Site", "cross-site"}, 403},
		{"another port of this host", []string{"X-CSRF-Token", f[2], "Sec-Fetch-Site", "same-site"}, 403},
	} {
		if code, text := b.ask("POST", "/x", "", tt.header...); code != tt.code {
			t.Errorf("%s: %d %s", tt.name, code, text)
		}
	}
	if code, _ := b.ask("POST", "/login", login("ann", "x", "")); code != 404 {
		t.Errorf("a login that nobody needs: %d", code)
	}
}

func TestLogin(t *testing.T) {
	srv := httptest.NewServer(inside(access.New(config(t))))
	defer srv.Close()
	b := newBrowser(t, srv.URL)
	for _, tt := range []struct {
		method, path string
		code         int
		text         string
	}{
		{"GET", "/findings/1?a=b", 303, "/login?next=%2Ffindings%2F1%3Fa%3Db"},
		{"GET", "/api/v1/status", 401, "who asks is not known"},
		{"GET", "/metrics", 401, "who asks is not known"},
		{"POST", "/api/v1/x", 401, ""},
		{"GET", "/assets/x.js", 200, "|||true"},
		{"GET", "/assets/..%2fplain", 303, "/login?next="},
		{"GET", "/assets/../plain", 303, "/login?next="},
		{"GET", "/assets/x%2f..%2f..%2fapi%2fv1%2fsession", 303, "/login?next="},
		{"GET", "/api/v1/session", 200, "|||true"},
		{"PUT", "/login", 405, ""},
		{"GET", "/logout", 405, ""},
		{"GET", "/login?next=//example.org", 200, `name="next" value="/"`},
		{"GET", `/login?next="><script>`, 200, `name="next" value="/"`},
	} {
		if code, text := b.ask(tt.method, tt.path, ""); code != tt.code || !strings.Contains(text, tt.text) {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, code, text)
		}
	}
	if code, text := b.ask("POST", "/login", login("ann", "wrong", "/x")); code != 401 || !strings.Contains(text, "name or password is wrong") {
		t.Errorf("a wrong password: %d %s", code, text)
	}
	if code, _ := b.ask("POST", "/login", login("ann", "ann's secret", ""), "Origin", "https://example.org"); code != 403 {
		t.Errorf("logged in by another's page: %d", code)
	}
	if code, to := b.ask("POST", "/login", login("ann", "ann's secret", "/findings/1")); code != 303 || to != "/findings/1" {
		t.Fatalf("login: %d %s", code, to)
	}
	_, text := b.ask("GET", "/", "")
	f := strings.Split(text, "|")
	if f[0] != "ann" || f[1] != "admin" {
		t.Fatalf("inside: %s", text)
	}
	if code, _ := b.ask("POST", "/x", "", "X-CSRF-Token", f[2]); code != 200 {
		t.Errorf("a change: %d", code)
	}
	if code, _ := b.ask("POST", "/x", ""); code != 403 {
		t.Errorf("a change without the token: %d", code)
	}
	if code, text := b.ask("GET", "/", "", "Authorization", "Basic dmljOnZpYydzIHNlY3JldA=="); code != 200 || !strings.HasPrefix(text, "ann|admin|") {
		t.Errorf("with what the browser was asked for at /metrics: %d %s", code, text)
	}
	if code, _ := b.ask("POST", "/logout", ""); code != 403 {
		t.Errorf("logged out by another's page: %d", code)
	}
	if code, _ := b.ask("POST", "/logout", "csrf="+f[2]); code != 204 {
		t.Errorf("logout: %d", code)
	}
	if code, _ := b.ask("GET", "/", ""); code != 303 {
		t.Errorf("after the logout: %d", code)
	}
	v := newBrowser(t, srv.URL)
	if code, text := v.ask("POST", "/login", `{"name":"vic","password":"vic's secret"}`, "Content-Type", "application/json"); code != 200 || !strings.Contains(text, `"user":"vic","role":"viewer"`) {
		t.Fatalf("login as JSON: %d %s", code, text)
	}
	_, text = v.ask("GET", "/", "")
	if code, _ := v.ask("POST", "/x", "", "X-CSRF-Token", strings.Split(text, "|")[2]); code != 403 {
		t.Errorf("a viewer's change: %d", code)
	}
}

func TestCookie(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  func(*access.Config)
		head string
		want string
	}{
		{"plain", func(*access.Config) {}, "https", "mtawatch=; Path=/; HttpOnly; SameSite=Strict"},
		{"TLS", func(c *access.Config) { c.TLS = true }, "", "__Host-mtawatch=; Path=/; HttpOnly; Secure; SameSite=Strict"},
		{"proxy", func(c *access.Config) { c.BehindProxy = true }, "https", "__Host-mtawatch=; Path=/; HttpOnly; Secure; SameSite=Strict"},
	} {
		cfg := config(t)
		tt.cfg(&cfg)
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/login", strings.NewReader(login("", token, "")))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Forwarded-Proto", tt.head)
		inside(access.New(cfg)).ServeHTTP(w, r)
		name, rest, _ := strings.Cut(w.Header().Get("Set-Cookie"), "=")
		_, rest, _ = strings.Cut(rest, ";")
		if got := name + "=;" + rest; w.Code != 303 || got != tt.want {
			t.Errorf("%s: %d %s", tt.name, w.Code, got)
		}
	}
}

func TestTokens(t *testing.T) {
	srv := httptest.NewServer(inside(access.New(config(t))))
	defer srv.Close()
	b := newBrowser(t, srv.URL)
	for _, tt := range []struct {
		method, path, auth string
		code               int
	}{
		{"GET", "/api/v1/status", "Bearer " + token, 200},
		{"POST", "/api/v1/x", "Bearer " + token, 200},
		{"POST", "/api/v1/x", "Bearer " + reader, 403},
		{"GET", "/metrics", "bearer " + scraper, 200},
		{"GET", "/metrics", "Bearer " + reader, 200},
		{"GET", "/api/v1/status", "Bearer " + scraper, 403},
		{"GET", "/", "Bearer " + scraper, 403},
		{"GET", "/", "Bearer x", 401},
		{"GET", "/", "Bearer", 401},
		{"GET", "/", "Digest x", 401},
		{"GET", "/metrics", "Basic dmljOnZpYydzIHNlY3JldA==", 200}, // vic's
		{"GET", "/metrics", "Basic dmljOnZpYydzIHNlY3JldA==", 200},
		{"POST", "/x", "Basic YW5uOmFubidzIHNlY3JldA==", 403}, // ann's: a browser may have sent it by itself
		{"GET", "/metrics", "Basic dmljOng=", 401},
		{"GET", "/metrics", "Basic x", 401},
	} {
		if code, text := b.ask(tt.method, tt.path, "", "Authorization", tt.auth); code != tt.code {
			t.Errorf("%s %s %s: %d %s", tt.method, tt.path, tt.auth, code, text)
		}
	}
}

// serveIn asks a handler without a network, so that a bubble's clock may run.
func serveIn(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func post(path, body string, from string) *http.Request {
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = from + ":1234"
	return r
}

func TestSessionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inside(access.New(config(t)))
		cookie := serveIn(h, post("/login", login("ann", "ann's secret", ""), "192.0.2.1")).Header().Get("Set-Cookie")
		ask := func() int {
			r := httptest.NewRequest("GET", "/api/v1/status", nil)
			r.Header.Set("Cookie", strings.Split(cookie, ";")[0])
			return serveIn(h, r).Code
		}
		used := time.Duration(0)
		for used < 7*24*time.Hour {
			if code := ask(); code != 200 {
				t.Fatalf("in use for %s: %d", used, code)
			}
			time.Sleep(11 * time.Hour)
			used += 11 * time.Hour
		}
		if code := ask(); code != 401 {
			t.Errorf("in use for %s: %d", used, code)
		}
		cookie = serveIn(h, post("/login", login("ann", "ann's secret", ""), "192.0.2.1")).Header().Get("Set-Cookie")
		time.Sleep(12 * time.Hour)
		if code := ask(); code != 401 {
			t.Errorf("unused for twelve hours: %d", code)
		}
	})
}

// Who listens to events is sent away when the session ends.
func TestStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := access.New(config(t))
		var who access.Who
		h := g.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { who = access.From(r.Context()) }))
		enter := func() {
			cookie := serveIn(h, post("/login", login("vic", "vic's secret", ""), "192.0.2.1")).Header().Get("Set-Cookie")
			r := httptest.NewRequest("GET", "/api/v1/events", nil)
			r.Header.Set("Cookie", strings.Split(cookie, ";")[0])
			serveIn(h, r)
			if !g.Still(who) {
				t.Fatal("sent away at once")
			}
		}
		enter()
		old := who
		enter()
		if !g.Still(old) {
			t.Error("the first session ended with the second login of another browser")
		}
		time.Sleep(12 * time.Hour)
		if g.Still(who) || !g.Still(access.Who{Trusted: true}) {
			t.Error("a session that is over may stay, or a token may not")
		}
	})
}

// A host has as many IPv6 addresses as it likes, of one /64.
func TestTriesOfOneNetwork(t *testing.T) {
	h := inside(access.New(config(t)))
	for n := range 5 {
		if code := serveIn(h, post("/login", login("", "wrong", ""), fmt.Sprintf("[2001:db8::%x]", n+1))).Code; code != 401 {
			t.Fatalf("attempt %d: %d", n, code)
		}
	}
	for from, want := range map[string]int{"[2001:db8::ffff:1]": 429, "[2001:db8:0:1::1]": 401, "192.0.2.9": 401} {
		if code := serveIn(h, post("/login", login("", "wrong", ""), from)).Code; code != want {
			t.Errorf("from %s: %d", from, code)
		}
	}
}

func TestLoginsAreSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inside(access.New(config(t)))
		try := func(password, from string) *httptest.ResponseRecorder {
			return serveIn(h, post("/login", login("ann", password, ""), from))
		}
		for range 5 {
			if w := try("wrong", "192.0.2.1"); w.Code != 401 {
				t.Fatalf("%d", w.Code)
			}
		}
		if w := try("ann's secret", "192.0.2.1"); w.Code != 429 || w.Header().Get("Retry-After") != "31" {
			t.Errorf("the sixth: %d, again after %s s", w.Code, w.Header().Get("Retry-After"))
		}
		if w := try("ann's secret", "192.0.2.2"); w.Code != 303 {
			t.Errorf("somebody else: %d", w.Code)
		}
		time.Sleep(31 * time.Second)
		if w := try("wrong", "192.0.2.1"); w.Code != 401 {
			t.Errorf("after half a minute: %d", w.Code)
		}
		time.Sleep(31 * time.Second)
		if w := try("wrong", "192.0.2.1"); w.Code != 429 {
			t.Errorf("half a minute more: %d", w.Code)
		}
		time.Sleep(31 * time.Second)
		if w := try("ann's secret", "192.0.2.1"); w.Code != 303 {
			t.Errorf("at last: %d", w.Code)
		}
	})
}

func TestTrustedDoor(t *testing.T) {
	h := access.Trusted(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := access.CheckChange(r); err != nil {
			t.Error(err)
		}
	}))
	serveIn(h, post("/x", "", "192.0.2.1"))
	if err := access.CheckChange(post("/x", "", "192.0.2.1")); err == nil {
		t.Error("who is not known may change something")
	}
}
