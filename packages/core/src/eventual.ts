/** A value of somebody who may know it at once, and then gives it at once: a promise for each would cost more than many of the values. */
export type Eventual<T> = T | Promise<T>;

/** What comes of a value, as soon as it is there. */
export function whenThere<T, R>(value: Eventual<T>, use: (value: T) => R): Eventual<R> {
  return value instanceof Promise ? value.then(use) : use(value);
}
