package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/notify"
)

var message = notify.Message{Event: notify.Opened, Time: time.Date(2026, 11, 2, 14, 0, 0, 0, time.UTC), Text: "CRITICAL: t", Host: "mx.example.org",
	Finding: mta.Finding{ID: "i", Code: mta.FindingMailLoop, Severity: mta.SeverityCritical, Title: "t"}}

func TestSend(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var body []byte
	var header http.Header
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		header = r.Header
	}))
	defer srv.Close()
	send, host, err := New(Config{URL: srv.URL + "/hook?key=hidden", SecretFile: secret})
	if err != nil || "http://"+host != srv.URL {
		t.Fatal(host, err)
	}
	if retry, err := send(t.Context(), message); err != nil || retry {
		t.Fatal(retry, err)
	}
	if got, want := header.Get(SignatureHeader), Sign([]byte("correct horse"), body); got != want || header.Get(EventHeader) != "opened" || header.Get("Content-Type") != "application/json" {
		t.Errorf("header %v, want the signature %s", header, want)
	}
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	f, _ := got["finding"].(map[string]any)
	if got["event"] != "opened" || got["host"] != "mx.example.org" || got["text"] != "CRITICAL: t" || f["id"] != "i" || f["code"] != "mail-loop" || f["severity"] != "critical" {
		t.Errorf("body %s", body)
	}
}

// TestSign holds the signature to an example of RFC 4231, section 4.3.
func TestSign(t *testing.T) {
	const want = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
	if got := Sign([]byte("Jefe"), []byte("what do ya want for nothing?")); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		code   int
		header map[string]string
		retry  bool
		after  time.Duration
	}{
		{"server error", 500, nil, true, 0},
		{"bad gateway", 502, nil, true, 0},
		{"busy", 503, map[string]string{"Retry-After": "60"}, true, time.Minute},
		{"too many", 429, map[string]string{"Retry-After": "7"}, true, 7 * time.Second},
		{"too many, no time", 429, nil, true, 0},
		{"slow", 408, nil, true, 0},
		{"refused", 403, nil, false, 0},
		{"gone", 410, nil, false, 0},
		{"moved", 302, map[string]string{"Location": "/else"}, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := 0
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked++
				for k, v := range tt.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(tt.code)
			}))
			defer srv.Close()
			send, _, err := New(Config{URL: srv.URL + "/hidden"})
			if err != nil {
				t.Fatal(err)
			}
			retry, err := send(t.Context(), message)
			var later *notify.RetryAfter
			if errors.As(err, &later) != (tt.after > 0) || later != nil && later.After != tt.after {
				t.Errorf("to be left alone: %+v, want %s", later, tt.after)
			}
			if err == nil || retry != tt.retry || asked != 1 || strings.Contains(err.Error(), "hidden") {
				t.Errorf("got retry %t and %v after %d requests", retry, err, asked)
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	url := srv.URL
	srv.Close()
	send, _, err := New(Config{URL: strings.Replace(url, "http://", "http://user:hidden@", 1) + "/hidden"})
	if err != nil {
		t.Fatal(err)
	}
	retry, err := send(t.Context(), message)
	if !retry || err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("got retry %t and %v", retry, err)
	}
}

func TestTooSlow(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not see that the client leaves
		cancel()                           // the time is up while the answer is awaited
		<-r.Context().Done()
	}))
	defer srv.Close()
	send, _, err := New(Config{URL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	if retry, err := send(ctx, message); !retry || !errors.Is(err, context.Canceled) {
		t.Errorf("got retry %t and %v", retry, err)
	}
}

func TestSecretThatIsNone(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + ".none"} {
		asked := false
		srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
		send, _, err := New(Config{URL: srv.URL, SecretFile: file})
		if err != nil {
			t.Fatal(err)
		}
		if retry, err := send(t.Context(), message); !retry || err == nil || asked {
			t.Errorf("%s: got retry %t and %v, sent %t", filepath.Base(file), retry, err, asked)
		}
		srv.Close()
	}
}

func TestAddress(t *testing.T) {
	for _, u := range []string{"", "mailto:ops@example.org", "smtp://mx.example.org", "ftp://x.example", "https://", "http://a b/", "x"} {
		if _, _, err := New(Config{URL: u}); err == nil {
			t.Errorf("%q was taken", u)
		}
	}
}
