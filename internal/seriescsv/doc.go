// Package seriescsv reads time series from text: rows of timestamp, series
// and value go in, in chunks as they were read; one mta.Reading for each
// moment comes out.
//
//	timestamp,series,value
//	1795420800,"mta_queue_messages{instance=""a"",queue=""deferred""}",17
//
// A stamp is in seconds since 1970, with a fraction or without. A series is
// written as Prometheus writes it and quoted as CSV quotes; a name that does not begin with mta_
// or mtawatch_ is one gauge, whatever it consists of. A header line, CRLF
// and blank lines are taken as they come. NaN and infinities are absent. A row that cannot be read
// is counted and the first few are kept with their line; none becomes a value.
//
// Rows sorted by time need memory for one moment. Rows in any other order,
// such as series after series, are read with Config.Sort: all are held, some
// 20 bytes each, and given in order at the end.
package seriescsv
