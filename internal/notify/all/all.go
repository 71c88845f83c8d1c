// Package all is the list of the types of channel. In come the entries under
// notify: of the configuration; out come the channels, or everything that is
// wrong with an entry.
package all

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mtawatch/mtawatch/internal/notify"
	"github.com/mtawatch/mtawatch/internal/notify/alertmanager"
	"github.com/mtawatch/mtawatch/internal/notify/exec"
	"github.com/mtawatch/mtawatch/internal/notify/webhook"
)

// kind is one type of channel.
type kind struct {
	name string
	keys []string // of Settings that it has beside the common ones
	make func(s notify.Settings, t notify.Terms) ([]notify.Channel, []notify.Problem)
}

// kinds lists the types of channel.
func kinds() []kind {
	return []kind{
		{"webhook", []string{"url", "secret_file"}, makeWebhook},
		{"alertmanager", []string{"url", "urls"}, makeAlertmanager},
		{"exec", []string{"command"}, makeExec},
	}
}

// Types names the types of channel.
func Types() []string {
	var list []string
	for _, k := range kinds() {
		list = append(list, k.name)
	}
	return list
}

// New makes the channels of one entry: one, or one for each Alertmanager. It
// starts nothing and sends nothing.
func New(s notify.Settings) ([]notify.Channel, []notify.Problem) {
	terms, wrong := s.Terms()
	i := slices.IndexFunc(kinds(), func(k kind) bool { return k.name == s.Type })
	if i < 0 {
		text := fmt.Sprintf("must be one of %s, not %q", strings.Join(Types(), ", "), notify.Clean(s.Type, 40))
		switch s.Type {
		case "":
			text = "is missing: it must be one of " + strings.Join(Types(), ", ")
		case "email", "mail", "smtp", "sendmail":
			text = "mail is not offered: it " + notify.Patient
		}
		return nil, append(wrong, notify.Problem{Key: "type", Text: text})
	}
	k := kinds()[i]
	for key, set := range map[string]bool{"url": s.URL != "", "urls": s.URLs != nil, "secret_file": s.SecretFile != "", "command": s.Command != nil} {
		if set && !slices.Contains(k.keys, key) {
			wrong = append(wrong, notify.Problem{Key: key, Text: fmt.Sprintf("a channel of type %s has no such key; it has %s", k.name, strings.Join(k.keys, ", "))})
		}
	}
	channels, more := k.make(s, terms)
	if wrong = append(wrong, more...); len(wrong) > 0 {
		slices.SortFunc(wrong, func(a, b notify.Problem) int { return strings.Compare(a.Key, b.Key) })
		return nil, wrong
	}
	return channels, nil
}

// Channels makes the channels of all entries, with names that differ.
func Channels(list []notify.Settings) ([]notify.Channel, error) {
	var channels []notify.Channel
	seen := make(map[string]int)
	for i, s := range list {
		made, wrong := New(s)
		if len(wrong) > 0 {
			return nil, fmt.Errorf("make channel notify[%d]: %s: %s", i, wrong[0].Key, wrong[0].Text)
		}
		for _, c := range made {
			if seen[c.Name]++; seen[c.Name] > 1 {
				c.Name = fmt.Sprintf("%s-%d", c.Name, seen[c.Name])
			}
			channels = append(channels, c)
		}
	}
	return channels, nil
}

// name gives the entry's own name, or one made of the type and where it goes.
func name(s notify.Settings, where string) string {
	if s.Name != "" {
		return s.Name
	}
	return s.Type + ":" + where
}

func makeWebhook(s notify.Settings, t notify.Terms) ([]notify.Channel, []notify.Problem) {
	var wrong []notify.Problem
	if s.SecretFile != "" && !filepath.IsAbs(s.SecretFile) {
		wrong = append(wrong, notify.Problem{Key: "secret_file", Text: "must be an absolute path"})
	}
	if s.URL == "" {
		return nil, append(wrong, notify.Problem{Text: "url is missing: where is it to be sent?"})
	}
	send, host, err := webhook.New(webhook.Config{URL: s.URL, SecretFile: s.SecretFile})
	if err != nil {
		return nil, append(wrong, notify.Problem{Key: "url", Text: err.Error()})
	}
	return []notify.Channel{{Name: name(s, host), Terms: t, Send: send}}, wrong
}

func makeAlertmanager(s notify.Settings, t notify.Terms) ([]notify.Channel, []notify.Problem) {
	t.Refresh = alertmanager.Every
	var channels []notify.Channel
	var wrong []notify.Problem
	add := func(key, url string) {
		send, host, err := alertmanager.New(alertmanager.Config{URL: url})
		if err != nil {
			wrong = append(wrong, notify.Problem{Key: key, Text: err.Error()})
			return
		}
		n := name(s, host)
		if s.Name != "" && key != "url" {
			n += ":" + host
		}
		channels = append(channels, notify.Channel{Name: n, Terms: t, Send: send})
	}
	if s.URL != "" {
		add("url", s.URL)
	}
	for i, u := range s.URLs {
		add(fmt.Sprintf("urls[%d]", i), u)
	}
	if s.URL == "" && len(s.URLs) == 0 {
		wrong = append(wrong, notify.Problem{Text: "url is missing: where is the Alertmanager?"})
	}
	if s.Repeat != 0 {
		wrong = append(wrong, notify.Problem{Key: "repeat", Text: "Alertmanager repeats by itself: set repeat_interval there"})
	}
	return channels, wrong
}

func makeExec(s notify.Settings, t notify.Terms) ([]notify.Channel, []notify.Problem) {
	send, err := exec.New(exec.Config{Command: s.Command})
	if err != nil {
		return nil, []notify.Problem{{Key: "command", Text: err.Error()}}
	}
	return []notify.Channel{{Name: name(s, filepath.Base(s.Command[0])), Terms: t, Send: send}}, nil
}
