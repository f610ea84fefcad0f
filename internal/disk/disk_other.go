//go:build !linux

package disk

import "errors"

func of(string) (Room, error) { return Room{}, errors.ErrUnsupported }
