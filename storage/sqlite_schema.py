"""Tables of a store; those of its counts are in `storage.sqlite_counts`."""

from __future__ import annotations

from storage import sqlite_counts

SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
    offset INTEGER PRIMARY KEY, recorded_ms INTEGER NOT NULL, subjects BLOB NOT NULL,
    body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS alerts (
    id TEXT PRIMARY KEY, seq INTEGER NOT NULL, rule TEXT NOT NULL, level TEXT NOT NULL,
    state TEXT NOT NULL, subject TEXT NOT NULL, body BLOB NOT NULL,
    opened INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS alerts_opened ON alerts (opened);
CREATE INDEX IF NOT EXISTS alerts_group ON alerts (rule, level, state, opened);
CREATE INDEX IF NOT EXISTS alerts_subject ON alerts (subject, opened);
CREATE TABLE IF NOT EXISTS transitions (
    seq INTEGER PRIMARY KEY, alert TEXT NOT NULL, was TEXT NOT NULL, state TEXT NOT NULL,
    body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS transitions_alert ON transitions (alert);
CREATE TABLE IF NOT EXISTS reviews (
    id TEXT PRIMARY KEY, seq INTEGER NOT NULL, open INTEGER NOT NULL, subject TEXT NOT NULL,
    newest INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS reviews_seq ON reviews (seq);
CREATE INDEX IF NOT EXISTS reviews_newest ON reviews (newest, id);
CREATE INDEX IF NOT EXISTS reviews_open ON reviews (open, newest, id);
CREATE TABLE IF NOT EXISTS board (
    a TEXT NOT NULL, b TEXT NOT NULL, lane TEXT NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (a, b, lane, at)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pairs (subject TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tallies (name TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
    review TEXT NOT NULL, department TEXT NOT NULL, time_ms INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (review, department, time_ms)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS subjects (
    subject TEXT PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, district TEXT NOT NULL,
    industry TEXT NOT NULL, public_grade TEXT NOT NULL, lowest_grade TEXT NOT NULL,
    gap INTEGER NOT NULL, open_alerts INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS draws (
    id TEXT PRIMARY KEY, ordered INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS draws_ordered ON draws (ordered, id);
CREATE TABLE IF NOT EXISTS drawn (
    draw TEXT NOT NULL, subject TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (draw, subject)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rejects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, received_ms INTEGER NOT NULL, origin TEXT NOT NULL,
    source TEXT NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL, subject TEXT NOT NULL,
    reason BLOB NOT NULL, raw BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checkpoint (
    part INTEGER PRIMARY KEY, body BLOB NOT NULL);
""" + sqlite_counts.SCHEMA
