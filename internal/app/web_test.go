package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mtawatch/mtawatch/internal/access"
	"github.com/mtawatch/mtawatch/internal/certtest"
	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/view"
)

// An address that other machines reach is not opened without a question who
// asks, nor in the clear.
func TestListenElsewhere(t *testing.T) {
	dir := t.TempDir()
	tokens := filepath.Join(dir, "tokens")
	if err := os.WriteFile(tokens, []byte("viewer a-token-of-twenty-bytes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cert, key, _ := certtest.Write(t, dir, "127.0.0.1")
	for _, tt := range []struct {
		name     string
		web      config.Web
		insecure bool
		ok       bool
	}{
		{"nothing", config.Web{}, false, false},
		{"insecure alone", config.Web{}, true, false},
		{"TLS alone", config.Web{TLSCert: cert, TLSKey: key}, false, false},
		{"tokens alone", config.Web{TokensFile: tokens}, false, false},
		{"tokens that cannot be read", config.Web{TokensFile: tokens + "x"}, true, false},
		{"a certificate that cannot be read", config.Web{TokensFile: tokens, TLSCert: tokens, TLSKey: key}, false, false},
		{"both", config.Web{TokensFile: tokens, TLSCert: cert, TLSKey: key}, false, true},
		{"tokens, and a network that encrypts", config.Web{TokensFile: tokens}, true, true},
	} {
		cfg := config.Default()
		cfg.Listen, cfg.Socket, cfg.Web, cfg.InsecureListen = "0.0.0.0:0", config.NoSocket, tt.web, tt.insecure
		doors, err := listen(cfg, slog.New(slog.DiscardHandler))
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
		for _, d := range doors {
			_ = d.Close()
		}
	}
}

// A proxy before loopback lets others in, so somebody must be named, also
// where a web configuration file is given; and one name is one user.
func TestWebConfigNamesNobody(t *testing.T) {
	dir := t.TempDir()
	certtest.Write(t, dir, "127.0.0.1")
	file := filepath.Join(dir, "web.yml")
	const hash = "$2a$10$CwTycUXWue0Thq9StjUM0uJ8dPR0vOZ4gX6mFGxxrVYw2SpSGCXre"
	for text, ok := range map[string]bool{"tls_server_config:\n  cert_file: tls.crt\n  key_file: tls.key\n": false, "basic_auth_users:\n  ann: " + hash + "\n": true, "basic_auth_users:\n  bob: " + hash + "\n": false} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w := config.Web{ConfigFile: file, BehindProxy: true}
		if strings.Contains(text, "bob") {
			w.Users = []access.User{{Name: "bob", PasswordHash: hash, Role: view.RoleViewer}}
		}
		if _, _, err := gateOf(w); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// The daemon's own door with TLS and tokens: pages go to the login, the API
// and /metrics refuse, and each token opens what it is for.
func TestLockedDoor(t *testing.T) {
	dir := t.TempDir()
	tokens := filepath.Join(dir, "tokens")
	if err := os.WriteFile(tokens, []byte("viewer a-token-of-twenty-bytes wall\nmetrics b-token-of-twenty-bytes\nadmin c-token-of-twenty-bytes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Listen, cfg.DataDir, cfg.Web.TokensFile = "127.0.0.1:0", dir, tokens
	var pool *x509.CertPool
	cfg.Web.TLSCert, cfg.Web.TLSKey, pool = certtest.Write(t, dir, "127.0.0.1")
	log := slog.New(slog.DiscardHandler)
	doors, err := listen(cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	also, err := newCompat("")
	if err != nil {
		t.Fatal(err)
	}
	m, f := troubled(t, t.TempDir())
	src := sourceOf(t)
	store := openSeries(t)
	src.belt, src.marks, src.series = m.belt, m, store
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, len(doors))
	for _, d := range doors {
		h, err := handler(surfaces{src: src, series: store, cfg: cfg, log: log, also: also}, d)
		if err != nil {
			t.Fatal(err)
		}
		go func() { ended <- serve(ctx, d, h) }()
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ask := func(method, path, token string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, method, "https://"+doors[0].Addr().String()+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if csp := res.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") {
			t.Errorf("%s %s: policy %q", method, path, csp)
		}
		return res.StatusCode, string(text)
	}
	ack := "/api/v1/findings/" + f.ID + "/acknowledge"
	for _, tt := range []struct {
		method, path, token string
		code                int
		text                string
	}{
		{"GET", "/", "", 303, ""},
		{"GET", "/findings/x", "", 303, ""},
		{"GET", "/login", "", 200, "Log in"},
		{"GET", "/assets/plain.css", "", 200, "body"},
		{"GET", "/api/v1/status", "", 401, "error"},
		{"GET", "/api/v1/query?query=up", "", 401, "error"},
		{"GET", "/metrics", "", 401, "error"},
		{"GET", "/assets/..%2fplain", "", 303, ""},
		{"GET", "/assets%2f..%2fplain", "", 303, ""},
		{"GET", "/assets/%2e%2e%2fplain", "", 303, ""},
		{"GET", "/assets/..%2ffindings%2fx", "", 303, ""},
		{"GET", "/metrics", "b-token-of-twenty-bytes", 200, "mta_finding_open"},
		{"GET", "/api/v1/status", "b-token-of-twenty-bytes", 403, "error"},
		{"GET", "/api/v1/status", "a-token-of-twenty-bytes", 200, "dispatcher-down"},
		{"GET", "/plain", "a-token-of-twenty-bytes", 200, "Open findings"},
		{"GET", "/api/v1/session", "a-token-of-twenty-bytes", 200, `"user":"wall","role":"viewer"`},
		{"POST", ack, "a-token-of-twenty-bytes", 403, "error"},
		{"POST", ack, "c-token-of-twenty-bytes", 200, `"acknowledged":`},
	} {
		if code, text := ask(tt.method, tt.path, tt.token); code != tt.code || !strings.Contains(text, tt.text) {
			t.Errorf("%s %s with %q: %d %.200s", tt.method, tt.path, tt.token, code, text)
		}
	}
	cancel()
	for range doors {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
