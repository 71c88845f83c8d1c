package site_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/lab/site"
)

func create(t *testing.T, s site.Settings) *site.Site {
	t.Helper()
	if s.Binary == "" {
		s.Binary = "/bin/true"
	}
	made, err := site.Create(filepath.Join(t.TempDir(), "base"), s)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestCreateThenOpen(t *testing.T) {
	s := create(t, site.Settings{
		Domains: []string{"Example.com", "example.org"}, Users: []string{"alice"}, Passwords: map[string]string{"alice": "a:b"},
		SMTPPort: 4001, SubmitPort: 4002, Notices: []float64{0.5, 2}, Day: time.Minute,
		Backoff: []time.Duration{1500 * time.Millisecond, 2 * time.Minute}, Subdirs: 7,
		Internal: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/24")}, Certificate: "/c.pem", Key: "/k.pem",
		Denied: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
	})
	want := site.Service{Name: "SMTP", Image: "tcp_smtp_server", Address: "127.0.0.1", Ports: []int{4001}, MinProcs: 1, MaxProcs: 5,
		MinConns: 5, MaxConns: 20, MaxLifeTime: 24 * time.Hour, MaxLifeConns: 100, MaxShutdown: 2, MaxIdleTime: 10 * time.Minute, Backlog: 100}
	if got, _ := s.Service("SMTP"); !cmp.Equal(got, want) {
		t.Errorf("service: %s", cmp.Diff(want, got))
	}
	c, ok := s.Channel("tcp_local")
	c.Keywords = nil
	wantChannel := site.Channel{Name: "tcp_local", Host: "tcp_local-daemon", Pool: "SMTP_POOL", MaxJobs: 10, Subdirs: 7, Program: "tcp_smtp_client",
		Logging: true, Notices: []time.Duration{30 * time.Second, 2 * time.Minute}, Backoff: []time.Duration{1500 * time.Millisecond, 2 * time.Minute}}
	if !ok || !cmp.Equal(c, wantChannel) {
		t.Errorf("channel: %s", cmp.Diff(wantChannel, c))
	}
	if s.Options != site.DefaultOptions() {
		t.Errorf("options: %s", cmp.Diff(site.DefaultOptions(), s.Options))
	}
	wantPractice := site.Practice{Host: "mail.example.com", Domains: []string{"example.com", "example.org"}, Address: "127.0.0.1",
		NameServer: "127.0.0.1:5353", RemotePort: 2526, Day: time.Minute, CommandTimeout: 5 * time.Minute, DataTimeout: 10 * time.Minute, ConnectTimeout: 30 * time.Second, ReplyTimeout: 5 * time.Minute,
		MaxRecipients: 1000, Internal: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Passwords: map[string]string{"alice": "a:b"},
		Denied: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, Certificate: "/c.pem", Key: "/k.pem"}
	if d := cmp.Diff(wantPractice, s.Practice, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
		t.Errorf("practice: %s", d)
	}
	wantJobs := site.Jobs{Address: "127.0.0.1", TCPPort: 27442, SynchTime: 4 * time.Hour, MaxMessages: 100_000,
		Pools: map[string]int{"DEFAULT": 10, "SMTP_POOL": 10, "IMS_POOL": 1}}
	if d := cmp.Diff(wantJobs, s.Jobs); d != "" {
		t.Errorf("jobs: %s", d)
	}
	for _, p := range site.Programs() {
		if to, err := os.Readlink(s.Program(p)); err != nil || to != "/bin/true" {
			t.Errorf("link of %s: %q, %v", p, to, err)
		}
		if site.BaseOf(s.Program(p)) != s.Base {
			t.Errorf("BaseOf(%s) = %s", s.Program(p), site.BaseOf(s.Program(p)))
		}
	}
	t.Setenv("PATH", filepath.Dir(s.Program("imsimta")))
	if got := site.BaseOf("imsimta"); got != s.Base {
		t.Errorf("BaseOf of what is on the PATH = %s", got)
	}
	if st, err := os.Stat(s.QueueDir()); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("queue directory: %v, %v", st.Mode(), err)
	}
	again, err := site.Create(s.Base, site.Settings{Binary: "/bin/false"})
	if err != nil {
		t.Fatalf("create over one of ours: %v", err)
	}
	if to, _ := os.Readlink(again.Program("dispatcher")); to != "/bin/false" {
		t.Errorf("link leads to %s after the second Create", to)
	}
}

func TestCreateRefusesAnother(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "letter.txt"), []byte("dear"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := site.Create(dir, site.Settings{Binary: "/bin/true"}); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("Create in another's directory: %v", err)
	}
	if list, _ := os.ReadDir(dir); len(list) != 1 {
		t.Errorf("Create left %d files in another's directory", len(list))
	}
}

// TestCreateAfterKill leaves a directory as a Create that is killed at each of
// its steps does.
func TestCreateAfterKill(t *testing.T) {
	whole := create(t, site.Settings{}).Base
	for i, steps := range [][]string{{}, {"config/"}, {"config/", "config/practice.cnf.new"}, {"config/", "config/practice.cnf"},
		{"config/", "config/practice.cnf", "config/option.dat.new"}, {"config/", "config/practice.cnf", "data/", "data/log/"}} {
		base := filepath.Join(t.TempDir(), "base")
		for _, s := range append([]string{"/"}, steps...) {
			var err error
			if strings.HasSuffix(s, "/") {
				err = os.Mkdir(filepath.Join(base, s), 0o755)
			} else {
				err = os.WriteFile(filepath.Join(base, s), []byte("HO"), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		s, err := site.Create(base, site.Settings{Binary: "/bin/true"})
		if err != nil {
			t.Errorf("%d: %v", i, err)
			continue
		}
		for _, d := range []string{"data", "data/log", "data/queue", "data/store", "run", "lib", "config"} {
			a, err1 := os.Stat(filepath.Join(whole, d))
			b, err2 := os.Stat(filepath.Join(s.Base, d))
			if err := errors.Join(err1, err2); err != nil || a.Mode() != b.Mode() {
				t.Errorf("%d: the mode of %s differs: %v", i, d, err)
			}
		}
	}
	other := filepath.Join(t.TempDir(), "config")
	if err := errors.Join(os.Mkdir(other, 0o755), os.WriteFile(filepath.Join(other, "app.conf"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := site.Create(filepath.Dir(other), site.Settings{Binary: "/bin/true"}); err == nil {
		t.Error("Create in the directory of someone else's config")
	}
}

func TestRouteAndUser(t *testing.T) {
	s := create(t, site.Settings{Domains: []string{"example.com"}, Users: []string{"alice"}})
	for _, tt := range []struct {
		address, channel string
		ok               bool
	}{
		{"alice@example.com", "ims-ms", true},
		{"alice@EXAMPLE.com", "ims-ms", true},
		{"alice@mail.example.com", "ims-ms", true},
		{`"a@b"@example.net`, "tcp_local", true},
		{"alice@sub.example.com", "tcp_local", true},
		{"alice", "", false}, {"@example.com", "", false}, {"alice@", "", false}, {"", "", false},
	} {
		if channel, ok := s.Route(tt.address); channel != tt.channel || ok != tt.ok {
			t.Errorf("Route(%q) = %q, %v; want %q, %v", tt.address, channel, ok, tt.channel, tt.ok)
		}
	}
	for address, want := range map[string]bool{"alice@example.com": true, "Alice+news@example.com": true, "postmaster@example.com": true,
		"bob@example.com": false, "../store@example.com": false, "..@example.com": false, "a/b@example.com": false, "@example.com": false} {
		if _, ok := s.User(address); ok != want {
			t.Errorf("User(%q) is known: %v; want %v", address, ok, want)
		}
	}
	if !s.Practice.InternalAddress(netip.MustParseAddr("::ffff:127.0.0.1")) || s.Practice.InternalAddress(netip.MustParseAddr("127.0.1.1")) {
		t.Error("127.0.0.0/24 must be internal, 127.0.1.1 not")
	}
}

// TestOpenTellsAll spoils several files and wants each error with its place.
func TestOpenTellsAll(t *testing.T) {
	s := create(t, site.Settings{})
	for name, text := range map[string]string{
		"dispatcher.cnf":     "PORT=25\n[SERVICE=SMTP]\nPORT=99999\nMIN_PROCS=x\nCOLOUR=red\n",
		"option.dat":         "LOG_FORMAT=2\nnonsense\n",
		"job_controller.cnf": "[WHAT=x]\n",
		"imta.cnf":           "! rules\nexample.com $U@ims-ms-daemon\n\ntcp_local subdirs\nhost\n\nUPPER x\n\ntcp_auth notices 1 400000\n",
		"mappings":           "INTERNAL_IP\n  $(300.1.2.3/8) $Y\n",
	} {
		if err := os.WriteFile(filepath.Join(s.ConfigDir(), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := site.Open(s.Base)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"dispatcher.cnf:1:", "dispatcher.cnf:3:", "dispatcher.cnf:4:", "dispatcher.cnf:5:", "option.dat:1:", "option.dat:2:",
		"job_controller.cnf:1:", "imta.cnf:4: channel tcp_local: subdirs has no value", "UPPER", "imta.cnf:9: channel tcp_auth: notices 400000: want at most 36500 days", "mappings:2:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not tell of %s:\n%v", want, err)
		}
	}
	if err := os.RemoveAll(s.ConfigDir()); err != nil {
		t.Fatal(err)
	}
	if _, err := site.Open(s.Base); err == nil || strings.Count(err.Error(), "no such file") != 6 {
		t.Errorf("without files: %v", err)
	}
}
