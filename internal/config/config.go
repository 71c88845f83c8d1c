// Package config reads the one configuration file. In comes a YAML file, or
// none at all; out comes a Config that is whole and within its limits, or
// every error of the file at once, each with its line. mtawatch runs without
// a file: what is not set keeps the value of Default.
//
// docs/config.md tells what each key means; a test holds it to the keys here.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/mtawatch/mtawatch/internal/access"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/notify"
	"github.com/mtawatch/mtawatch/internal/probe"
)

// DefaultPath is the file that is read when none is named, if it exists.
const DefaultPath = "/etc/mtawatch/mtawatch.yaml"

// EnvPath is the environment variable that names the file.
const EnvPath = "MTAWATCH_CONFIG"

// maxFile bounds a configuration file, in bytes.
const maxFile = 1 << 20

// Config is everything that can be set. The zero value is not usable; begin
// with Default.
type Config struct {
	File string `yaml:"-"` // where it was read; "" when no file was

	Listen         string            `yaml:"listen"`              // address of the API and dashboard; "" for none
	InsecureListen bool              `yaml:"insecure_listen"`     // permits plain HTTP on an address other than loopback
	Socket         string            `yaml:"socket"`              // unix socket that serves the same and single messages; see SocketPath
	ExposeMessages bool              `yaml:"expose_messages"`     // serve single messages on Listen too
	DataDir        string            `yaml:"data_dir"`            // the stores
	Interval       time.Duration     `yaml:"interval"`            // between two samples
	Retention      time.Duration     `yaml:"retention"`           // of the time series
	ListInterval   time.Duration     `yaml:"queue_list_interval"` // between two whole queue listings, at least
	ListMaxCPU     float64           `yaml:"queue_list_max_cpu"`  // share of one core that listings may cost
	Detect         bool              `yaml:"detect"`              // look for MTAs on this machine
	Ports          []uint16          `yaml:"ports"`               // inbound ports besides those detected
	Timezone       string            `yaml:"timezone"`            // of log stamps without a zone; "" is the machine's
	LogLevel       string            `yaml:"log_level"`           // debug, info, warn or error
	Compat         string            `yaml:"compat"`              // other names for /metrics: "" or "postfix_exporter"
	Silence        Silence           `yaml:"silence"`
	Probe          probe.Settings    `yaml:"probe"`
	Notify         []notify.Settings `yaml:"notify"`
	Instances      []Instance        `yaml:"instances"`
	Web            Web               `yaml:"web"`
	Import         bool              `yaml:"import"` // at the first start, read the rotated logs that are there
}

// Web says who may ask at Listen, and how it is encrypted. Empty: nobody is
// asked who they are.
type Web struct {
	Users       []access.User `yaml:"users"`
	TokensFile  string        `yaml:"tokens_file"`
	TLSCert     string        `yaml:"tls_cert"`
	TLSKey      string        `yaml:"tls_key"`
	ConfigFile  string        `yaml:"config_file"`  // in the format of the Prometheus exporters
	BehindProxy bool          `yaml:"behind_proxy"` // one that this machine or a trusted one runs
}

// Asks reports whether those who ask must say who they are.
func (w Web) Asks() bool { return len(w.Users) > 0 || w.TokensFile != "" || w.ConfigFile != "" }

// Silence says when a log that stays quiet becomes a blind spot: after it
// was quiet for longer than is its habit, but not before Least and in any
// case after Most.
type Silence struct {
	Least time.Duration `yaml:"least"`
	Most  time.Duration `yaml:"most"`
}

// Instance adds an MTA that was not detected, or overrides what was found
// out about one: the detected instance of the same mta and name. Empty
// fields keep what was detected.
type Instance struct {
	MTA       string   `yaml:"mta"`
	Name      string   `yaml:"name"`
	BaseDir   string   `yaml:"base_dir"` // where it is installed; the rest is found from there
	ConfigDir string   `yaml:"config_dir"`
	QueueDir  string   `yaml:"queue_dir"`
	LogFile   string   `yaml:"log_file"`
	Journal   *Journal `yaml:"journal"`
	Ports     []uint16 `yaml:"ports"`
}

// Journal is where in the systemd journal an instance's lines are.
type Journal struct {
	Units       []string `yaml:"units"`
	Identifiers []string `yaml:"identifiers"`
	Namespace   string   `yaml:"namespace"`
	Directory   string   `yaml:"directory"`
}

// Default is what holds without a file.
func Default() Config {
	return Config{
		Listen:       "127.0.0.1:9725",
		DataDir:      defaultDataDir(),
		Interval:     10 * time.Second,
		Retention:    35 * 24 * time.Hour,
		ListInterval: 10 * time.Second,
		ListMaxCPU:   0.01,
		Import:       true,
		Detect:       true,
		LogLevel:     "info",
		Silence:      Silence{Least: 10 * time.Minute, Most: 24 * time.Hour},
		Probe:        probe.DefaultSettings(),
	}
}

// defaultDataDir is /var/lib/mtawatch for root and a directory of their own
// for everyone else.
func defaultDataDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/mtawatch"
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "mtawatch")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "/var/lib/mtawatch" // opening it will say what is wrong
	}
	return filepath.Join(home, ".local", "state", "mtawatch")
}

// Load reads the file at path; with path "" the one that MTAWATCH_CONFIG
// names, else DefaultPath if it exists, else none. The error is of type
// Errors when the file can be read but is wrong. With mtas named, an instance
// of any other mail server is such an error.
func Load(path string, mtas ...string) (Config, error) {
	explicit := true
	if path == "" {
		path = os.Getenv(EnvPath)
	}
	if path == "" {
		path, explicit = DefaultPath, false
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && !explicit {
		return Default(), nil
	}
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w; check the path and its permissions", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	if len(text) > maxFile {
		return Config{}, fmt.Errorf("read configuration: %s has more than %d bytes", path, maxFile)
	}
	c, err := Parse(path, text, mtas...)
	c.File = path
	return c, err
}

// Loopback reports whether only this machine can reach Listen.
func (c Config) Loopback() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	return err != nil || isLoopback(host)
}

// NoSocket is the value of Socket that asks for none.
const NoSocket = "none"

// maxSocket is how many bytes the path of a unix socket may have: sun_path of
// unix(7) without its NUL.
const maxSocket = 107

// SocketPath gives where the unix socket is: mtawatch.sock in the data
// directory unless Socket names another. "" is none: asked for, or the data
// directory's path leaves no room for it.
func (c Config) SocketPath() string {
	switch c.Socket {
	case NoSocket:
		return ""
	case "":
		if p := filepath.Join(c.DataDir, "mtawatch.sock"); len(p) <= maxSocket {
			return p
		}
		return ""
	}
	return c.Socket
}

// Location gives the zone of log stamps that carry none.
func (c Config) Location() (*time.Location, error) {
	if c.Timezone == "" {
		return time.Local, nil
	}
	l, err := time.LoadLocation(c.Timezone)
	if err != nil {
		return nil, fmt.Errorf("read timezone %q: %w; use a name such as Europe/Berlin", c.Timezone, err)
	}
	return l, nil
}

// Level gives LogLevel for slog; an unknown name is Info.
func (c Config) Level() slog.Level {
	l, err := readLevel(c.LogLevel)
	if err != nil {
		return slog.LevelInfo
	}
	return l
}

// Logs gives the log source that the instance names; none keeps what was
// detected. A file goes before the journal: to read both would count most
// lines twice.
func (i Instance) Logs() []mta.LogSource {
	if i.LogFile != "" {
		return []mta.LogSource{{Kind: mta.LogFile, Path: i.LogFile}}
	}
	if j := i.Journal; j != nil {
		return []mta.LogSource{{Kind: mta.LogJournal, Identifiers: j.Identifiers, Units: j.Units,
			Namespace: j.Namespace, Directory: j.Directory}}
	}
	return nil
}
