package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/access"
	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/notify"
	"github.com/mtawatch/mtawatch/internal/probe"
)

const full = `
# everything set
listen: "[::1]:9000"
socket: /run/mtawatch/sock
data_dir: /srv/mtawatch
interval: 5s
retention: 90d
queue_list_interval: 2m
queue_list_max_cpu: 0.05
import: false
detect: false
ports: [2525, 10025]
timezone: Europe/Berlin
log_level: debug
silence:
  least: 5m
  most: 2d
probe: {dns: false, dns_name: example.net, dns_server: "192.0.2.53:5353", smtp: false, smtp_interval: 30s, remote: false}
notify:
  - {type: webhook, name: chat, url: "https://hooks.example.net/x", secret_file: /s, min_severity: info, delay: 0s, repeat: 1d, timeout: 5s}
  - type: alertmanager
    urls: ["http://192.0.2.1:9093", "http://192.0.2.2:9093"]
  - type: exec
    command: [/usr/local/bin/page, --team]
instances:
  - mta: postfix
    name: postfix-out
    base_dir: /opt/out
    config_dir: /etc/postfix-out
    queue_dir: /var/spool/postfix-out
    log_file: /var/log/mail-out.log
    ports:
      - 26
  - mta: postfix
    name: postfix
    journal:
      units: [postfix@-.service]
      identifiers: ["postfix/"]
      namespace: mail
      directory: /var/log/journal/x
`

func TestParse(t *testing.T) {
	changed := func(change func(*config.Config)) config.Config {
		c := config.Default()
		change(&c)
		return c
	}
	tests := []struct {
		name, text string
		want       config.Config
	}{
		{"empty", "", config.Default()},
		{"comment", "# nothing\n", config.Default()},
		{"only a document mark", "---\n", config.Default()},
		{"one key", "interval: 1m30s\n", changed(func(c *config.Config) { c.Interval = 90 * time.Second })},
		{"whole number", "queue_list_max_cpu: 1\n", changed(func(c *config.Config) { c.ListMaxCPU = 1 })},
		{"other machines", "listen: 0.0.0.0:9725\nweb:\n  tokens_file: /t\n  tls_cert: /c\n  tls_key: /k\n", changed(func(c *config.Config) {
			c.Listen, c.Web = "0.0.0.0:9725", config.Web{TokensFile: "/t", TLSCert: "/c", TLSKey: "/k"}
		})},
		{"other machines, by a proxy", "listen: 0.0.0.0:9725\ninsecure_listen: true\nweb:\n  behind_proxy: true\n  users:\n    - {name: ann, role: admin, password_hash: $2a$10$CwTycUXWue0Thq9StjUM0uJ8dPR0vOZ4gX6mFGxxrVYw2SpSGCXre}\n", changed(func(c *config.Config) {
			c.Listen, c.InsecureListen, c.Web = "0.0.0.0:9725", true, config.Web{BehindProxy: true,
				Users: []access.User{{Name: "ann", Role: "admin", PasswordHash: "$2a$10$CwTycUXWue0Thq9StjUM0uJ8dPR0vOZ4gX6mFGxxrVYw2SpSGCXre"}}}
		})},
		{"other machines, by an exporter's file", "listen: 0.0.0.0:9725\nweb:\n  config_file: /w\n", changed(func(c *config.Config) {
			c.Listen, c.Web = "0.0.0.0:9725", config.Web{ConfigFile: "/w"}
		})},
		{"the socket of the data directory alone", "listen: \"\"\n", changed(func(c *config.Config) { c.Listen = "" })},
		{"no socket, messages on TCP", "socket: none\nexpose_messages: true\n", changed(func(c *config.Config) { c.Socket, c.ExposeMessages = config.NoSocket, true })},
		{"socket alone", "listen: \"\"\nsocket: /run/s\n", changed(func(c *config.Config) { c.Listen, c.Socket = "", "/run/s" })},
		{"other names", "compat: postfix_exporter\n", changed(func(c *config.Config) { c.Compat = "postfix_exporter" })},
		{"full", full, config.Config{
			Listen: "[::1]:9000", Socket: "/run/mtawatch/sock", DataDir: "/srv/mtawatch", Interval: 5 * time.Second,
			Retention: 90 * 24 * time.Hour, ListInterval: 2 * time.Minute, ListMaxCPU: 0.05,
			Ports: []uint16{2525, 10025}, Timezone: "Europe/Berlin", LogLevel: "debug",
			Silence: config.Silence{Least: 5 * time.Minute, Most: 48 * time.Hour},
			Probe:   probe.Settings{DNSName: "example.net", DNSServer: "192.0.2.53:5353", SMTPInterval: 30 * time.Second},
			Notify: []notify.Settings{
				{Type: "webhook", Name: "chat", URL: "https://hooks.example.net/x", SecretFile: "/s", MinSeverity: "info",
					Delay: new(time.Duration), Repeat: 24 * time.Hour, Timeout: 5 * time.Second},
				{Type: "alertmanager", URLs: []string{"http://192.0.2.1:9093", "http://192.0.2.2:9093"}},
				{Type: "exec", Command: []string{"/usr/local/bin/page", "--team"}},
			},
			Instances: []config.Instance{
				{MTA: "postfix", Name: "postfix-out", BaseDir: "/opt/out", ConfigDir: "/etc/postfix-out", QueueDir: "/var/spool/postfix-out",
					LogFile: "/var/log/mail-out.log", Ports: []uint16{26}},
				{MTA: "postfix", Name: "postfix", Journal: &config.Journal{Units: []string{"postfix@-.service"},
					Identifiers: []string{"postfix/"}, Namespace: "mail", Directory: "/var/log/journal/x"}},
			}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := config.Parse("f.yaml", []byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string // beginnings of the lines, in order
	}{
		{"unknown key", "intervall: 10s\n", []string{`f.yaml:1: intervall: unknown key; did you mean "interval"?`}},
		{"dashes", "data-dir: /x\n", []string{`f.yaml:1: data-dir: unknown key; did you mean "data_dir"?`}},
		{"nothing like it", "colour: red\n", []string{`f.yaml:1: colour: unknown key; known here are listen, `}},
		{"many at once", "interval: fast\nretention: 2h\nports: [25, 0, x]\nlisten: 0.0.0.0:9725\nfoo_bar_baz: 1\ndetect: perhaps\n", []string{
			`f.yaml:1: interval: must be a duration such as`,
			`f.yaml:2: retention: must be from 1d to 3650d, not 2h`,
			`f.yaml:3: ports[1]: must be a port from 1 to 65535, not "0"`,
			`f.yaml:3: ports[2]: must be a port`,
			`f.yaml:4: listen: 0.0.0.0:9725 can be reached from other machines`,
			`f.yaml:5: foo_bar_baz: unknown key`,
			`f.yaml:6: detect: must be true or false, not "perhaps"`,
		}},
		{"nested", "silence:\n  least: 1h\n  mosst: 2h\n", []string{`f.yaml:3: silence.mosst: unknown key; did you mean "most"?`}},
		{"range of two", "silence:\n  least: 2h\n  most: 1h\n", []string{`f.yaml:1: silence: most (1h0m0s) is shorter`}},
		{"instance", "\ninstances:\n  - name: x\n    queue_dir: spool\n  - mta: postfix\n", []string{
			`f.yaml:3: instances[0]: mta is missing`, `f.yaml:4: instances[0].queue_dir: must be an absolute path`, `f.yaml:5: instances[1]: name is missing`}},
		{"same instance", "instances:\n- {mta: postfix, name: a}\n- {mta: postfix, name: a}\n", []string{`f.yaml:3: instances[1]: is the same as instances[0]`}},
		{"set twice", "interval: 5s\ninterval: 6s\n", []string{`f.yaml:2: interval: is set twice, first on line 1`}},
		{"no value", "interval:\nports: 25\n", []string{`f.yaml:1: interval: has no value`, `f.yaml:2: ports: must be a list`}},
		{"text wanted", "data_dir: 12\n", []string{`f.yaml:1: data_dir: must be text`}},
		{"relative", "data_dir: var\n", []string{`f.yaml:1: data_dir: must be an absolute path`}},
		{"zone", "timezone: Middle/Earth\n", []string{`f.yaml:1: timezone: is no time zone known here`}},
		{"names", "compat: exim_exporter\n", []string{`f.yaml:1: compat: must be postfix_exporter or left out, not "exim_exporter"`}},
		{"level", "log_level: loud\n", []string{`f.yaml:1: log_level: must be debug`}},
		{"address", "listen: nine\n", []string{`f.yaml:1: listen: must be an address and a port`}},
		{"address by name", "listen: mail.example.net:80\n", []string{`f.yaml:1: listen: must begin with an IP address`}},
		{"port", "listen: 127.0.0.1:0\n", []string{`f.yaml:1: listen: must end in a port`}},
		{"all addresses", "listen: :9725\n", []string{`f.yaml:1: listen: :9725 can be reached`}},
		{"nothing to ask", "listen: \"\"\nsocket: none\n", []string{`f.yaml:1: listen: is empty`}},
		{"nothing to watch", "detect: false\n", []string{`f.yaml:1: detect: is false and no instance`}},
		{"share", "queue_list_max_cpu: .nan\n", []string{`f.yaml:1: queue_list_max_cpu: must be a number`}},
		{"alias", "data_dir: &a /x\nsocket: *a\n", []string{`f.yaml:1: data_dir: anchors`, `f.yaml:2: socket: anchors`}},
		{"list at the top", "- a\n- b\n", []string{`f.yaml:1: must be keys with values`}},
		{"no YAML", "interval: [1\n", []string{`f.yaml:1: not readable as YAML`}},
		{"a tab", "interval: 5s\ninstances:\n\t- name: x\n", []string{`f.yaml:3: not readable as YAML: a tab stands before the first word of the line; YAML takes spaces alone for indentation`}},
		{"second document", "interval: 5s\n---\ninterval: 6s\n", []string{`f.yaml:3: a second document`}},
		{"mail as a channel", "notify:\n- type: email\n- type: webhook\n  url: mailto:ops@example.org\n- {type: exec, command: [/usr/sbin/sendmail, -t]}\n", []string{
			`f.yaml:2: notify[0].type: mail is not offered`, `f.yaml:4: notify[1].url: would send through the mail server that is watched`,
			`f.yaml:5: notify[2].command: "sendmail" would send through`}},
		{"channels", "notify:\n- {type: webhook, name: a, url: \"https://x.example\", urls: [b], delay: 2h}\n- {type: exec, command: [page]}\n- type: alertmanager\n  name: a\n  urls: [\"http://x.example\", \"ftp://y.example\"]\n- url: x\n", []string{
			`f.yaml:2: notify[0].delay: must be from 0s to 1h`, `f.yaml:2: notify[0].urls: a channel of type webhook has no such key`,
			`f.yaml:3: notify[1].command: must be a list that begins with the absolute path`, `f.yaml:5: notify[2].name: is the name of notify[0] too`,
			`f.yaml:6: notify[2].urls[1]: must begin with https:// or http://`, `f.yaml:7: notify[3].type: is missing`}},
		{"probes", "probe:\n  dns_name: a b\n  smtp_interval: 1s\n  dns_server: there\n", []string{`f.yaml:2: probe.dns_name: must be a domain`, `f.yaml:3: probe.smtp_interval: must be from 10s to 1h`, `f.yaml:4: probe.dns_server: must be an address`}},
		{"huge duration", "retention: 99999999d\n", []string{`f.yaml:1: retention: must be a duration`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Parse("f.yaml", []byte(tt.text))
			var list config.Errors
			if !errors.As(err, &list) {
				t.Fatalf("got %v, want Errors", err)
			}
			if len(list) != len(tt.want) {
				t.Fatalf("got\n%v\nwant\n%s", err, strings.Join(tt.want, "\n"))
			}
			for i, e := range list {
				if !strings.HasPrefix(e.Error(), tt.want[i]) {
					t.Errorf("got  %s\nwant %s", e, tt.want[i])
				}
			}
		})
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "c.yaml")
	if err := os.WriteFile(file, []byte("interval: 7s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("named", func(t *testing.T) {
		c, err := config.Load(file)
		if err != nil || c.Interval != 7*time.Second || c.File != file {
			t.Errorf("got %+v, %v", c, err)
		}
	})
	t.Run("by the environment", func(t *testing.T) {
		t.Setenv(config.EnvPath, file)
		c, err := config.Load("")
		if err != nil || c.Interval != 7*time.Second {
			t.Errorf("got %+v, %v", c, err)
		}
	})
	t.Run("named and missing", func(t *testing.T) {
		if _, err := config.Load(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("too big", func(t *testing.T) {
		big := filepath.Join(dir, "big")
		if err := os.WriteFile(big, make([]byte, 1<<20+1), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(big); err == nil || !strings.Contains(err.Error(), "more than") {
			t.Errorf("got %v", err)
		}
	})
}

func TestInstanceLogs(t *testing.T) {
	in := config.Instance{LogFile: "/l", Journal: &config.Journal{Units: []string{"u"}, Namespace: "n"}}
	if d := cmp.Diff([]mta.LogSource{{Kind: mta.LogFile, Path: "/l"}}, in.Logs()); d != "" {
		t.Errorf("both named (-want +got):\n%s", d)
	}
	in.LogFile = ""
	if d := cmp.Diff([]mta.LogSource{{Kind: mta.LogJournal, Units: []string{"u"}, Namespace: "n"}}, in.Logs()); d != "" {
		t.Errorf("journal (-want +got):\n%s", d)
	}
	if got := (config.Instance{}).Logs(); got != nil {
		t.Errorf("got %v, want none", got)
	}
}

func TestSocketPath(t *testing.T) {
	for _, tt := range []struct{ name, socket, dir, want string }{
		{"of the data directory", "", "/srv/x", "/srv/x/mtawatch.sock"},
		{"named", "/run/s", "/srv/x", "/run/s"},
		{"none", "none", "/srv/x", ""},
		{"no room", "", "/" + strings.Repeat("x", 100), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (config.Config{Socket: tt.socket, DataDir: tt.dir}).SocketPath(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReach(t *testing.T) {
	for listen, want := range map[string]bool{"": true, "127.0.0.1:1": true, "[::1]:1": true, "localhost:1": true, ":1": false, "0.0.0.0:1": false, "192.0.2.1:1": false} {
		if got := (config.Config{Listen: listen}).Loopback(); got != want {
			t.Errorf("%q is loopback: got %t, want %t", listen, got, want)
		}
	}
	if _, err := (config.Config{Timezone: "Mars/Olympus"}).Location(); err == nil || !strings.Contains(err.Error(), "Europe/Berlin") {
		t.Errorf("an unknown zone: %v", err)
	}
}

// TestDocumented holds docs/config.md to the keys, and the example file to
// the defaults that it claims to show.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	var walk func(reflect.Type, string)
	walk = func(v reflect.Type, path string) {
		for v.Kind() == reflect.Pointer || v.Kind() == reflect.Slice {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			return
		}
		for i := range v.NumField() {
			key := v.Field(i).Tag.Get("yaml")
			if key == "-" {
				continue
			}
			if key == "" {
				t.Errorf("field %s.%s has no yaml tag", v, v.Field(i).Name)
			}
			if name := "`" + path + key + "`"; !strings.Contains(string(page), name) {
				t.Errorf("docs/config.md does not name %s", name)
			}
			walk(v.Field(i).Type, path+key+".")
		}
	}
	walk(reflect.TypeFor[config.Config](), "")
}

func TestExampleFile(t *testing.T) {
	text, err := os.ReadFile("../../docs/mtawatch.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := config.Parse("docs/mtawatch.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.DataDir = "/var/lib/mtawatch"
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the example does not show the defaults (-want +got):\n%s", d)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", full, "a: [", "- x", "? y", "interval: !!int 5", "<<: *a", "interval: |\n  5s\n", "\x00", "{}", "instances: [{}]", "ports: {a: b}", "1: 2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 4096 {
			return
		}
		_, err := config.Parse("f", []byte(s))
		var list config.Errors
		if err != nil && (!errors.As(err, &list) || len(list) == 0) {
			t.Errorf("got %v, want Errors", err)
		}
	})
}
