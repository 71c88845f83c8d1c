// Package webhook sends each message as JSON by HTTP POST. In comes a
// notify.Message; out goes the same as JSON, signed where a secret is set.
// Its "text" is a line for people, so that chat systems that take a text
// (Mattermost, Slack and their like) need nothing between.
package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mtawatch/mtawatch/internal/notify"
)

// SignatureHeader carries "sha256=" and the HMAC-SHA256 of the body in
// hexadecimal digits, under the secret, where one is set. The body holds the
// time of sending, by which a receiver can refuse what is old.
const SignatureHeader = "X-Mtawatch-Signature"

// EventHeader carries the event.
const EventHeader = "X-Mtawatch-Event"

// maxSecret bounds a secret, in bytes.
const maxSecret = 4096

// Config sets up a webhook. URL is needed; SecretFile "" signs nothing.
type Config struct {
	URL        string
	SecretFile string // read at each message, so that it may be exchanged
}

// New makes the channel's Send. It starts nothing.
func New(cfg Config) (send func(context.Context, notify.Message) (bool, error), host string, err error) {
	p, err := notify.NewPoster(cfg.URL)
	if err != nil {
		return nil, "", err
	}
	return func(ctx context.Context, m notify.Message) (bool, error) {
		body, err := json.Marshal(m)
		if err != nil {
			return false, fmt.Errorf("write message: %w", err)
		}
		header := map[string]string{EventHeader: m.Event}
		if cfg.SecretFile != "" {
			secret, err := readSecret(cfg.SecretFile)
			if err != nil {
				return true, err
			}
			header[SignatureHeader] = Sign(secret, body)
		}
		return p.Post(ctx, "", body, header)
	}, p.Host(), nil
}

// Sign gives the value of SignatureHeader.
func Sign(secret, body []byte) string {
	h := hmac.New(sha256.New, secret)
	h.Write(body)
	return "sha256=" + hex.EncodeToString(h.Sum(nil))
}

// readSecret reads the file without the white space around its content. An
// empty one is an error: a signature that anyone could make is none.
func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read secret: %w; the user that mtawatch runs as must be able to read secret_file", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	s := strings.TrimSpace(string(b))
	if s == "" || len(b) > maxSecret {
		return nil, errors.New("read secret: " + path + " is empty or longer than 4096 bytes")
	}
	return []byte(s), nil
}
