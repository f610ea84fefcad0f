// Command appliance receives traces over OTLP/HTTP, keeps them safe and hands them to Grafana Tempo.
package main

func main() {}
