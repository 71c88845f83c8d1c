// Package baseline learns what is normal for one series at this hour of this
// weekday, from the hours of the last five weeks.
package baseline
