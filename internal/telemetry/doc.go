// Package telemetry is how the appliance speaks of itself: its log lines and its metrics.
package telemetry
