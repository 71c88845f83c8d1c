package queue

import (
	"crypto/rand"
	"strings"
)

const (
	digits36    = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	letters     = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
	maxAttempts = 36*36 - 1
	maxUnique   = 64 // longer names are not ours
	heldSuffix  = "HELD"
	firstSuffix = "00"
	uniqueLen   = 13 // 63^13 names: two of one time never meet
)

// Name gives the name of a queue file: the attempts so far, counted down from
// ZZ in base 36, the unique string, a dot and the suffix ("00", "HELD"). More
// than 1295 attempts read as 1295.
func Name(attempts int, unique, suffix string) string {
	n := maxAttempts - min(max(attempts, 0), maxAttempts)
	return string([]byte{digits36[n/36], digits36[n%36]}) + unique + "." + suffix
}

// ParseName reads the name of a queue file. ok is false for every other name,
// such as that of a file still being written.
func ParseName(name string) (attempts int, unique, suffix string, held, ok bool) {
	dot := strings.LastIndexByte(name, '.')
	if dot < 3 || dot > 2+maxUnique {
		return 0, "", "", false, false
	}
	high, low := strings.IndexByte(digits36, name[0]), strings.IndexByte(digits36, name[1])
	unique, suffix = name[2:dot], name[dot+1:]
	if high < 0 || low < 0 || !wordOnly(unique) {
		return 0, "", "", false, false
	}
	held = suffix == heldSuffix
	if !held && (len(suffix) != 2 || !wordOnly(suffix)) {
		return 0, "", "", false, false
	}
	return maxAttempts - high*36 - low, unique, suffix, held, true
}

func wordOnly(s string) bool {
	for i := range len(s) {
		if strings.IndexByte(letters, s[i]) < 0 {
			return false
		}
	}
	return true
}

// newUnique makes the unique string of a new file.
func newUnique() string {
	var b [uniqueLen]byte
	_, _ = rand.Read(b[:]) // never fails: it would end the program
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b[:])
}

// nextSuffix gives the suffix of a file that takes another's place: 00, 01 up
// to 99, then from 01 again; what is released from .HELD gets 01.
func nextSuffix(suffix string) string {
	n := 0
	for i := range len(suffix) {
		d := suffix[i] - '0'
		if len(suffix) != 2 || d > 9 {
			return "01"
		}
		n = n*10 + int(d)
	}
	n = n%99 + 1
	return string([]byte{'0' + byte(n/10), '0' + byte(n%10)})
}

// NextNames gives the names that a file can have after one more change: an
// attempt, with or without a rewrite.
func NextNames(name string) []string {
	attempts, unique, suffix, _, ok := ParseName(name)
	if !ok {
		return nil
	}
	next := nextSuffix(suffix)
	return []string{Name(attempts+1, unique, suffix), Name(attempts+1, unique, next), Name(attempts, unique, next)}
}
