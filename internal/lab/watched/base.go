package watched

import (
	"fmt"
	"os"
	"path/filepath"
)

// DefaultBase is the directory of a practice MTA whose place nobody named.
func DefaultBase() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a place for the practice MTA: %w; name one with --base", err)
	}
	return filepath.Join(dir, "mtawatch", "lab"), nil
}
