package jobs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// StoppedFile is the file that names the stopped channels, one a line.
func StoppedFile(s *site.Site) string { return filepath.Join(s.Base, "data", "stopped_channels") }

// Stopped reads the stopped channels.
func Stopped(s *site.Site) ([]string, error) {
	text, err := os.ReadFile(StoppedFile(s))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read stopped channels: %w", err)
	}
	return strings.Fields(string(text)), nil
}

// SetStopped stops a channel, or starts it again, for good. A running
// controller sees it within a second.
func SetStopped(s *site.Site, channel string, stop bool) error {
	list, err := Stopped(s)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(c string) bool { return c == channel })
	if stop {
		list = append(list, channel)
	}
	slices.Sort(list)
	text := strings.Join(append(list, ""), "\n")
	tmp := StoppedFile(s) + ".new"
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write stopped channels: %w", err)
	}
	if err := os.Rename(tmp, StoppedFile(s)); err != nil {
		return fmt.Errorf("write stopped channels: %w", err)
	}
	return nil
}
