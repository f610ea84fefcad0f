// Sends traces with the OpenTelemetry SDK for Node.js and prints their trace ids, one a line.
//
//   node send.mjs ENDPOINT proto|json|grpc TRACES SPANS_PER_TRACE
//
// Exits 1 when the exporter reports a batch as not delivered.
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPTraceExporter as JSONExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtoExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { OTLPTraceExporter as GRPCExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';

const exporters = { proto: ProtoExporter, json: JSONExporter, grpc: GRPCExporter };
const SUCCESS = 0; // ExportResultCode.SUCCESS

const [endpoint, protocol, traces, spansPerTrace] = process.argv.slice(2);
const Exporter = exporters[protocol];
if (!Exporter || !(traces > 0) || !(spansPerTrace > 0)) {
  console.error('usage: node send.mjs ENDPOINT proto|json|grpc TRACES SPANS_PER_TRACE');
  process.exit(2);
}

// The processor keeps export errors to itself, so they are noted on the way.
class WatchedExporter extends Exporter {
  failures = [];

  export(spans, done) {
    super.export(spans, (result) => {
      if (result.code !== SUCCESS) this.failures.push(result.error);
      done(result);
    });
  }
}

const exporter = new WatchedExporter({ url: endpoint });
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ 'service.name': `node-${protocol}` }),
  spanProcessors: [new BatchSpanProcessor(exporter)],
});
const tracer = provider.getTracer('e2e');

const ids = [];
for (let i = 0; i < traces; i++) {
  const root = tracer.startSpan('node root', { kind: SpanKind.SERVER, attributes: { 'run.index': i, 'run.even': i % 2 === 0 } });
  const inside = trace.setSpan(context.active(), root);
  for (let j = 1; j < spansPerTrace; j++) {
    const child = tracer.startSpan(`node child ${j}`, { kind: SpanKind.CLIENT }, inside);
    child.addEvent('été', { 'event.ratio': 0.5 });
    child.setStatus({ code: j % 2 ? SpanStatusCode.OK : SpanStatusCode.ERROR });
    child.end();
  }
  root.end();
  ids.push(root.spanContext().traceId);
}
await provider.forceFlush();
await provider.shutdown();

if (exporter.failures.length > 0) {
  console.error(exporter.failures);
  process.exit(1);
}
console.log(ids.join('\n'));
