package access

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml"
	"golang.org/x/crypto/bcrypt"

	"github.com/mtawatch/mtawatch/internal/view"
)

// maxFile bounds the files of this package, in bytes.
const maxFile = 1 << 20

// leastToken is how long a token must be, in bytes.
const leastToken = 20

// Hash gives the bcrypt hash of a password.
func Hash(password string) (string, error) {
	if len(password) < 8 {
		return "", errors.New("hash password: it has fewer than 8 bytes")
	}
	if len(password) > maxPasswd {
		return "", fmt.Errorf("hash password: it has %d bytes; bcrypt takes no more than %d", len(password), maxPasswd)
	}
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return string(h), nil
}

// CheckUser says what is wrong with a user; "" for nothing.
func CheckUser(u User) string {
	switch cost, err := bcrypt.Cost([]byte(u.PasswordHash)); {
	case u.Name == "" || len(u.Name) > 100 || strings.ContainsFunc(u.Name, func(r rune) bool { return r < ' ' || r == ':' }):
		return "name must have 1 to 100 bytes and no colon"
	case err != nil:
		return "password_hash must be a bcrypt hash, as `mtawatch hash-password` makes it"
	case cost > 14:
		return fmt.Sprintf("password_hash has a cost of %d: each login would take a second or more; 10 to 14 is good", cost)
	case u.Role != view.RoleAdmin && u.Role != view.RoleViewer:
		return "role must be admin or viewer"
	}
	return ""
}

// ReadTokens reads a file of tokens: one a line, ROLE TOKEN or ROLE TOKEN
// NAME, the role admin, viewer or metrics. Lines that begin with # are left out.
func ReadTokens(path string) ([]Token, error) {
	text, err := readSecret(path)
	if err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	list, err := parseTokens(text)
	if err != nil {
		return nil, fmt.Errorf("read tokens: %s:%w", path, err)
	}
	return list, nil
}

func parseTokens(text string) ([]Token, error) {
	var list []Token
	line := 0
	for text := range strings.Lines(text) {
		line++
		f := strings.Fields(text)
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		if len(f) < 2 || len(f) > 3 {
			return nil, fmt.Errorf("%d: must be written ROLE TOKEN or ROLE TOKEN NAME", line)
		}
		t := Token{Role: view.Role(f[0]), Value: f[1], Name: "token"}
		if len(f) == 3 {
			t.Name = f[2]
		}
		switch {
		case t.Role != view.RoleAdmin && t.Role != view.RoleViewer && t.Role != RoleMetrics:
			return nil, fmt.Errorf("%d: the role must be admin, viewer or metrics", line)
		case len(t.Value) < leastToken:
			return nil, fmt.Errorf("%d: the token has fewer than %d bytes; make one with: openssl rand -base64 30", line, leastToken)
		case slices.ContainsFunc(list, func(o Token) bool { return o.Value == t.Value }):
			return nil, fmt.Errorf("%d: the token stands above too", line)
		}
		list = append(list, t)
	}
	if len(list) == 0 {
		return nil, errors.New("1: there is no token in it")
	}
	return list, nil
}

// readSecret reads a file that not everybody may read.
func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o007 != 0 {
		return "", fmt.Errorf("every user may read %s; make it its owner's: chmod o= %s", path, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s has more than %d bytes", path, maxFile)
	}
	return string(text), err
}

// WebConfig is what of an exporter-toolkit web configuration file is read.
// Any other key is refused: it would seem to hold and would not.
type WebConfig struct {
	TLS struct {
		Cert          string `yaml:"cert_file"`
		Key           string `yaml:"key_file"`
		ClientAuth    string `yaml:"client_auth_type"`
		ClientCA      string `yaml:"client_ca_file"`
		MinVersion    string `yaml:"min_version"`
		MaxVersion    string `yaml:"max_version"`
		PreferServers bool   `yaml:"prefer_server_cipher_suites"` // without effect in Go
	} `yaml:"tls_server_config"`
	HTTP struct {
		HTTP2 *bool `yaml:"http2"`
	} `yaml:"http_server_config"`
	BasicAuth map[string]string `yaml:"basic_auth_users"`
}

// ReadWebConfig reads an exporter-toolkit web configuration file. Its users
// are viewers, but for admin, who is an admin.
func ReadWebConfig(path string) (WebConfig, []User, error) {
	var c WebConfig
	text, err := os.ReadFile(path)
	if err != nil {
		return c, nil, fmt.Errorf("read web configuration: %w", err)
	}
	if len(text) > maxFile {
		return c, nil, fmt.Errorf("read web configuration: %s has more than %d bytes", path, maxFile)
	}
	if err := yaml.UnmarshalWithOptions(text, &c, yaml.Strict()); err != nil {
		return c, nil, fmt.Errorf("read web configuration %s: %w", path, err)
	}
	var users []User
	for name, hash := range c.BasicAuth {
		u := User{Name: name, PasswordHash: hash, Role: view.RoleViewer}
		if name == "admin" {
			u.Role = view.RoleAdmin
		}
		if wrong := CheckUser(u); wrong != "" {
			return c, nil, fmt.Errorf("read web configuration %s: user %q: %s", path, name, wrong)
		}
		users = append(users, u)
	}
	slices.SortFunc(users, func(a, b User) int { return strings.Compare(a.Name, b.Name) })
	for _, f := range [...]*string{&c.TLS.Cert, &c.TLS.Key, &c.TLS.ClientCA} {
		if *f != "" && !filepath.IsAbs(*f) {
			*f = filepath.Join(filepath.Dir(path), *f)
		}
	}
	return c, users, nil
}

// versions are the names of TLS versions.
var versions = map[string]uint16{"": tls.VersionTLS12, "TLS12": tls.VersionTLS12, "TLS13": tls.VersionTLS13}

// ServerTLS makes the TLS settings of a web configuration; nil when it names
// no certificate. A certificate that is renewed is read anew.
func (c *WebConfig) ServerTLS() (*tls.Config, error) {
	t := &c.TLS
	if t.Cert == "" && t.Key == "" {
		return nil, nil
	}
	least, ok := versions[t.MinVersion]
	if !ok {
		return nil, fmt.Errorf("read TLS settings: min_version must be TLS12 or TLS13, not %q", t.MinVersion)
	}
	k := &keeper{cert: t.Cert, key: t.Key}
	if _, err := k.get(nil); err != nil {
		return nil, err
	}
	out := &tls.Config{MinVersion: least, GetCertificate: k.get}
	if c.HTTP.HTTP2 != nil && !*c.HTTP.HTTP2 {
		out.NextProtos = []string{"http/1.1"}
	}
	switch {
	case t.MaxVersion != "" && versions[t.MaxVersion] < least:
		return nil, fmt.Errorf("read TLS settings: max_version %q is none, or is below min_version", t.MaxVersion)
	case t.MaxVersion != "":
		out.MaxVersion = versions[t.MaxVersion]
	}
	switch t.ClientAuth {
	case "", "NoClientCert":
		return out, nil
	case "RequireAndVerifyClientCert":
	default:
		return nil, fmt.Errorf("read TLS settings: client_auth_type must be NoClientCert or RequireAndVerifyClientCert, not %q", t.ClientAuth)
	}
	pem, err := os.ReadFile(t.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("read TLS settings: client_ca_file: %w", err)
	}
	out.ClientCAs, out.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !out.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read TLS settings: there is no certificate in %s", t.ClientCA)
	}
	return out, nil
}

// keeper has the certificate of two files.
type keeper struct {
	cert, key string
	mu        sync.Mutex
	have      *tls.Certificate
	stamp     time.Time // of the certificate's file
	looked    time.Time
}

// get gives the certificate. A new one that cannot be read leaves the old.
func (k *keeper) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.have != nil && time.Since(k.looked) < 10*time.Second {
		return k.have, nil
	}
	k.looked = time.Now()
	info, err := os.Stat(k.cert)
	if err == nil && k.have != nil && info.ModTime().Equal(k.stamp) {
		return k.have, nil
	}
	var c tls.Certificate
	if err == nil {
		c, err = tls.LoadX509KeyPair(k.cert, k.key)
	}
	switch {
	case err == nil:
		k.have, k.stamp = &c, info.ModTime()
	case k.have == nil:
		return nil, fmt.Errorf("read TLS certificate: %w; see tls_cert and tls_key", err)
	}
	return k.have, nil
}
