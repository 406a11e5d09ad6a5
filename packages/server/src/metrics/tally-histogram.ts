import type { Metric, MetricValueWithName, Registry } from "prom-client";

/** Values of one label, sorted into buckets. */
interface Tally {
  /** One for each bound, and one for what is above them all. */
  readonly buckets: Float64Array;
  sum: number;
}

/** What a `TallyHistogram` is made of. */
export interface TallyHistogramOptions {
  readonly name: string;
  readonly help: string;
  /** The name of its only label; undefined: it has none. */
  readonly label: string | undefined;
  /** Upper bounds, rising. */
  readonly bounds: readonly number[];
}

/**
 * A histogram that costs next to nothing on the way of a request: prom-client's own builds a text of the labels for each
 * value. It becomes prom-client's series when somebody looks.
 */
export class TallyHistogram {
  readonly #options: TallyHistogramOptions;
  readonly #tallies = new Map<string, Tally>();

  constructor(registry: Registry, options: TallyHistogramOptions) {
    this.#options = options;
    const { name, help } = options;
    // What a registry needs of a metric is this; the type asks for prom-client's own classes.
    const metric = { name, help, type: "histogram", get: async () => this.#read() };
    registry.registerMetric(metric as unknown as Metric);
  }

  /** Adds a value; `label` is the value of the label, and empty where there is none. */
  observe(label: string, value: number): void {
    let tally = this.#tallies.get(label);
    if (tally === undefined) {
      tally = { buckets: new Float64Array(this.#options.bounds.length + 1), sum: 0 };
      this.#tallies.set(label, tally);
    }
    const { bounds } = this.#options;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket += 1;
    tally.buckets[bucket]! += 1;
    tally.sum += value;
  }

  #read(): object {
    const { name, help } = this.#options;
    const values = [...this.#tallies].flatMap(([label, tally]) => this.#seriesOf(label, tally));
    return { name, help, type: "histogram", aggregator: "sum", values };
  }

  /** Buckets are cumulative in Prometheus's format. */
  #seriesOf(labelValue: string, { buckets, sum }: Tally): MetricValueWithName<string>[] {
    const { name, label, bounds } = this.#options;
    const labels: Record<string, string> = label === undefined ? {} : { [label]: labelValue };
    let count = 0;
    const cumulative = [...buckets].map((inBucket, index) => {
      count += inBucket;
      const le = index < bounds.length ? String(bounds[index]) : "+Inf";
      return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count };
    });
    return [
      ...cumulative,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}
