package postfix

// longIDSecond gives the second in which the message with this queue id
// entered the queue. Only long ids hold it: six digits to base 52 for
// the second, four for the microsecond, then "z" and the inode to base 51
// (enable_long_queue_ids in postconf(5)). A "z" may stand in the time too, so
// only the offset counts.
func longIDSecond(id string) (second int64, ok bool) {
	if len(id) < 12 || len(id) > 32 || id[10] != 'z' {
		return 0, false
	}
	var usec int64
	for i := 0; i < 10; i++ {
		d := digit52(id[i])
		if d < 0 {
			return 0, false
		}
		if i < 6 {
			second = second*52 + d
		} else {
			usec = usec*52 + d
		}
	}
	for i := 11; i < len(id); i++ {
		if d := digit52(id[i]); d < 0 || d > 50 {
			return 0, false
		}
	}
	return second, usec < 1_000_000
}

// digit52 gives the value of a digit: 0-9, then the consonants in upper and
// lower case; -1 for any other byte.
func digit52(c byte) int64 {
	switch {
	case c >= '0' && c <= '9':
		return int64(c - '0')
	case c >= 'A' && c <= 'Z':
		return consonant(c-'A', 10)
	case c >= 'a' && c <= 'z':
		return consonant(c-'a', 31)
	}
	return -1
}

// consonant numbers the 21 letters without A, E, I, O and U from base on.
func consonant(letter byte, base int64) int64 {
	const vowels = 1<<0 | 1<<4 | 1<<8 | 1<<14 | 1<<20
	if vowels>>letter&1 == 1 {
		return -1
	}
	n := base + int64(letter)
	for _, v := range [...]byte{0, 4, 8, 14, 20} {
		if letter > v {
			n--
		}
	}
	return n
}
