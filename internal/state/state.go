// Package state keeps what mtawatch must not forget between two starts:
// places in logs, counters, open messages, findings. In come batches of
// named values; out come the same values after a restart. It is the only
// package that knows SQLite.
//
// Promised: a batch is stored whole or not at all. A batch that Commit
// acknowledged survives kill -9 of this process. After a loss of power the
// newest batches may be missing, but never a part of one and never an older
// one before a newer: a log place and the counters up to it belong into one
// batch, so that the reader only reads the last lines again. Config.PowerSafe
// closes this gap for the price of one disk flush a batch.
//
// One process holds a store at a time. A full disk gives ErrFull and loses
// nothing that was acknowledged; the store goes on as soon as there is space.
package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// schemaVersion is what this program writes into PRAGMA user_version.
const schemaVersion = 1

// Config says how a store is kept. The zero value is good.
type Config struct {
	// PowerSafe flushes the disk at each commit, so that a loss of power
	// takes nothing that was acknowledged.
	PowerSafe bool
	// CacheBytes bounds the page cache. Zero is 1 MiB.
	CacheBytes int64
}

// DB is an open store. Its methods may be called from several goroutines;
// they run one after the other.
type DB struct {
	path  string
	lock  *os.File
	sql   *sql.DB
	put   *sql.Stmt
	del   *sql.Stmt
	clear *sql.Stmt
	get   *sql.Stmt
	page  *sql.Stmt
}

// Open opens the store in the file path, and makes it and its folder when
// they do not exist, readable by their owner only. It gives ErrInUse when
// another process has the store open, ErrCorrupt when the file is damaged or
// no store of ours, ErrNewer when a newer mtawatch wrote it, and ErrFull when
// there is no space to make it.
func Open(path string, cfg Config) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the store's folder: %w", describe(path, err))
	}
	lock, err := lockFile(path)
	if err != nil {
		return nil, err
	}
	d := &DB{path: path, lock: lock}
	if err := d.open(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", describe(path, err)), d.Close())
	}
	return d, nil
}

func (d *DB) open(cfg Config) error {
	// SQLite gives its side files the mode of the main file.
	f, err := os.OpenFile(d.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if d.sql, err = sql.Open("sqlite", dataSource(d.path, cfg)); err != nil {
		return err
	}
	d.sql.SetMaxOpenConns(1)
	d.sql.SetMaxIdleConns(1)
	if err := d.prepareSchema(context.Background()); err != nil {
		return err
	}
	for _, s := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&d.put, `INSERT INTO kv (bucket, key, value) VALUES (?, ?, ?)
			ON CONFLICT (bucket, key) DO UPDATE SET value = excluded.value`},
		{&d.del, `DELETE FROM kv WHERE bucket = ? AND key = ?`},
		{&d.clear, `DELETE FROM kv WHERE bucket = ?`},
		{&d.get, `SELECT value FROM kv WHERE bucket = ? AND key = ?`},
		{&d.page, `SELECT key, value FROM kv WHERE bucket = ? AND key > ? ORDER BY key LIMIT 256`},
	} {
		if *s.stmt, err = d.sql.Prepare(s.text); err != nil {
			return err
		}
	}
	return nil
}

// dataSource names the file and the settings of each connection. With the
// exclusive mode SQLite keeps the index of its log in our memory instead of a
// mapped file, so that a full disk can give an error but no SIGBUS.
func dataSource(path string, cfg Config) string {
	sync, cache := "normal", int64(1<<20)
	if cfg.PowerSafe {
		sync = "full"
	}
	if cfg.CacheBytes > 0 {
		cache = cfg.CacheBytes
	}
	q := url.Values{"_pragma": {
		"locking_mode(exclusive)",
		"journal_mode(wal)",
		"synchronous(" + sync + ")",
		"cache_size(-" + strconv.FormatInt(max(cache>>10, 1), 10) + ")",
		"journal_size_limit(4194304)",
		"temp_store(memory)",
	}, "_txlock": {"immediate"}}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// prepareSchema makes the table in a new file and checks an old one.
func (d *DB) prepareSchema(ctx context.Context) error {
	var version, tables int
	if err := d.sql.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	if err := d.sql.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&tables); err != nil {
		return err
	}
	switch {
	case version > schemaVersion:
		return fmt.Errorf("%w: its format is %d and this program knows up to %d; run the newer mtawatch, or give another --data-dir",
			ErrNewer, version, schemaVersion)
	case version == 0 && tables > 0:
		return fmt.Errorf("%w: it is the database of another program; give another --data-dir", ErrCorrupt)
	case version == schemaVersion:
		var said string
		if err := d.sql.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&said); err != nil {
			return err
		}
		if said != "ok" {
			return damaged(d.path, errors.New(said))
		}
		return nil
	}
	tx, err := d.sql.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	for _, s := range []string{
		`CREATE TABLE kv (bucket BLOB NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (bucket, key)) WITHOUT ROWID`,
		`PRAGMA user_version = ` + strconv.Itoa(schemaVersion),
	} {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// Commit stores a batch, all of it or nothing. The batch stays as it is, so
// that it can be tried again: after ErrFull that is the thing to do.
func (d *DB) Commit(ctx context.Context, b *Batch) error {
	if b.Len() == 0 {
		return nil
	}
	if err := d.commit(ctx, b); err != nil {
		return fmt.Errorf("store a batch of %d changes: %w", b.Len(), describe(d.path, err))
	}
	return nil
}

func (d *DB) commit(ctx context.Context, b *Batch) error {
	tx, err := d.sql.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	put, del, clr := tx.StmtContext(ctx, d.put), tx.StmtContext(ctx, d.del), tx.StmtContext(ctx, d.clear)
	for i := range b.ops {
		switch o := &b.ops[i]; o.kind {
		case opPut:
			_, err = put.ExecContext(ctx, blob(o.bucket), blob(o.key), b.values[o.from:o.to:o.to])
		case opDelete:
			_, err = del.ExecContext(ctx, blob(o.bucket), blob(o.key))
		case opDeleteBucket:
			_, err = clr.ExecContext(ctx, blob(o.bucket))
		}
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}

// Get gives the value of a key; false when the bucket has no such key.
func (d *DB) Get(ctx context.Context, bucket, key string) ([]byte, bool, error) {
	var v []byte
	switch err := d.get.QueryRowContext(ctx, blob(bucket), blob(key)).Scan(&v); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("read %s/%s: %w", bucket, key, describe(d.path, err))
	}
	return v, true, nil
}

// Each calls fn for each key of a bucket, in the order of the keys' bytes,
// until fn gives an error, which it returns as it is. The value is fn's to
// keep. It reads some hundred rows at a time and holds nothing while fn runs:
// fn may use the store, and sees keys that are committed ahead of it
// meanwhile.
func (d *DB) Each(ctx context.Context, bucket string, fn func(key string, value []byte) error) error {
	type row struct {
		key   string
		value []byte
	}
	// No key is smaller than the empty one, so that one is asked for by name.
	first, ok, err := d.Get(ctx, bucket, "")
	if err != nil {
		return err
	}
	if ok {
		if err := fn("", first); err != nil {
			return err
		}
	}
	after := ""
	for {
		rows, err := d.page.QueryContext(ctx, blob(bucket), blob(after))
		if err != nil {
			return fmt.Errorf("read bucket %s: %w", bucket, describe(d.path, err))
		}
		var got []row
		for rows.Next() {
			var r row
			if err = rows.Scan(&r.key, &r.value); err != nil {
				break
			}
			got = append(got, r)
		}
		if err := errors.Join(err, rows.Err(), rows.Close()); err != nil {
			return fmt.Errorf("read bucket %s: %w", bucket, describe(d.path, err))
		}
		for _, r := range got {
			if err := fn(r.key, r.value); err != nil {
				return err
			}
		}
		if len(got) == 0 {
			return nil
		}
		after = got[len(got)-1].key
	}
}

// Close closes the store and lets another process have it. What was committed
// is stored already.
func (d *DB) Close() error {
	var errs []error
	for _, s := range []*sql.Stmt{d.put, d.del, d.clear, d.get, d.page} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	if d.sql != nil {
		errs = append(errs, d.sql.Close())
	}
	// The lock goes last: until now the file is ours.
	errs = append(errs, d.lock.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close store: %w", describe(d.path, err))
	}
	return nil
}

// blob gives the bytes of a key. Never nil: the driver would store NULL.
func blob(s string) []byte { return append(make([]byte, 0, len(s)), s...) }
