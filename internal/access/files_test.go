package access

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/certtest"
	"github.com/mtawatch/mtawatch/internal/view"
)

func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadTokens(t *testing.T) {
	const one, two = "one-token-of-twenty-bytes", "two-token-of-twenty-bytes"
	got, err := ReadTokens(write(t, "tokens", "# for programs\n\nadmin "+one+" robot\nmetrics\t"+two+"\n", 0o640))
	want := []Token{{"robot", view.RoleAdmin, one}, {"token", RoleMetrics, two}}
	if d := cmp.Diff(got, want); d != "" || err != nil {
		t.Errorf("%v (-got +want)\n%s", err, d)
	}
	for _, tt := range []struct {
		name, text, want string
		mode             os.FileMode
	}{
		{"everybody's", "admin " + one, "chmod o= ", 0o644},
		{"short", "admin short", ":1: the token has fewer than 20 bytes", 0o600},
		{"no role", "\nroot " + one, ":2: the role must be", 0o600},
		{"no token", "admin", ":1: must be written", 0o600},
		{"twice", "admin " + one + "\nviewer " + one, ":2: the token stands above", 0o600},
		{"empty", "# none\n", "there is no token", 0o600},
	} {
		_, err := ReadTokens(write(t, "tokens", tt.text, tt.mode))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err != nil && strings.Contains(err.Error(), one) {
			t.Errorf("%s: the error shows the token: %v", tt.name, err)
		}
	}
	if _, err := ReadTokens("/nonexistent"); err == nil {
		t.Error("a file that is not there was read")
	}
}

func FuzzTokens(f *testing.F) {
	f.Add("admin one-token-of-twenty-bytes robot\n")
	f.Add("#\nmetrics \xff\x00")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseTokens(text)
		for _, k := range list {
			if len(k.Value) < leastToken || k.Role == "" || k.Name == "" {
				t.Errorf("%+v", k)
			}
		}
		if (err == nil) != (len(list) > 0) {
			t.Errorf("%d tokens, %v", len(list), err)
		}
	})
}

// A certificate that is renewed is served without a restart; one that is
// broken leaves the old.
func TestCertificateIsReadAnew(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var c WebConfig
		c.TLS.Cert, c.TLS.Key, _ = certtest.Write(t, dir, "old.example.org")
		cfg, err := c.ServerTLS()
		if err != nil {
			t.Fatal(err)
		}
		name := func() string {
			got, err := cfg.GetCertificate(nil)
			if err != nil {
				t.Fatal(err)
			}
			leaf, err := x509.ParseCertificate(got.Certificate[0])
			if err != nil {
				t.Fatal(err)
			}
			return leaf.Subject.CommonName
		}
		certtest.Write(t, dir, "new.example.org")
		later := time.Now().Add(time.Hour)
		if err := os.Chtimes(c.TLS.Cert, later, later); err != nil {
			t.Fatal(err)
		}
		if n := name(); n != "old.example.org" {
			t.Errorf("at once: %s", n)
		}
		time.Sleep(11 * time.Second)
		if n := name(); n != "new.example.org" {
			t.Errorf("after eleven seconds: %s", n)
		}
		if err := os.WriteFile(c.TLS.Cert, []byte("broken"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Second)
		if n := name(); n != "new.example.org" {
			t.Errorf("with a broken one: %s", n)
		}
	})
}

func TestReadWebConfig(t *testing.T) {
	dir := t.TempDir()
	certtest.Write(t, dir, "mx.example.org")
	const hash = "$2a$10$CwTycUXWue0Thq9StjUM0uJ8dPR0vOZ4gX6mFGxxrVYw2SpSGCXre"
	put := func(text string) string {
		path := filepath.Join(dir, "web.yml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c, users, err := ReadWebConfig(put("tls_server_config:\n  cert_file: tls.crt\n  key_file: tls.key\n  min_version: TLS13\n  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: tls.crt\n" +
		"http_server_config:\n  http2: false\nbasic_auth_users:\n  prom: " + hash + "\n  admin: " + hash + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(users, []User{{"admin", hash, view.RoleAdmin}, {"prom", hash, view.RoleViewer}}); d != "" {
		t.Errorf("(-got +want)\n%s", d)
	}
	s, err := c.ServerTLS()
	if err != nil || s.MinVersion != tls.VersionTLS13 || s.ClientAuth != tls.RequireAndVerifyClientCert {
		t.Errorf("%+v, %v", s, err)
	}
	for _, text := range []string{"nonsense: 1\n", "tls_server_config:\n  cipher_suites: [X]\n", "basic_auth_users:\n  prom: plain\n", "basic_auth_users:\n  \"\": " + hash + "\n", ":"} {
		if _, _, err := ReadWebConfig(put(text)); err == nil {
			t.Errorf("taken: %s", text)
		}
	}
	for _, text := range []string{"min_version: TLS10", "max_version: TLS11", "client_auth_type: RequestClientCert", "client_auth_type: RequireAndVerifyClientCert"} {
		c, _, err := ReadWebConfig(put("tls_server_config:\n  cert_file: tls.crt\n  key_file: tls.key\n  " + text + "\n"))
		if err == nil {
			_, err = c.ServerTLS()
		}
		if err == nil {
			t.Errorf("taken: %s", text)
		}
	}
}
