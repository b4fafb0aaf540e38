import { isMarked, publicMessage } from "@reinstate/batch-core";

const marker = Symbol.for("reinstate.vicidial.move-refused");

/** The tables are not such that leads could be moved safely: a column without a counterpart, no unique key, a trigger. */
export class MoveRefused extends Error {
  readonly [marker] = true;
  readonly [publicMessage] = true;

  static is(value: unknown): value is MoveRefused {
    return isMarked(value, marker);
  }
}

/** Nothing was written, and the same move may succeed in a moment: the tables are busy, or the database is away. */
export class NothingMoved extends Error {
  readonly [publicMessage] = true;
  /** How the batches know it. */
  readonly retryable = true;
}

/** A fault of the VICIdial database, in words for a caller; the cause keeps those of the server. */
export class VicidialDatabaseFault extends Error {
  readonly [publicMessage] = true;
}

const noneMovedMarker = Symbol.for("reinstate.vicidial.none-moved");

/** Some leads keep an all-or-nothing move from being carried out. Both tables are as they were before. */
export class NoneMoved extends Error {
  readonly [noneMovedMarker] = true;
  /** Leads that are not in the source. */
  readonly missing: readonly number[];
  /** By lead id, why the target cannot hold a lead. */
  readonly unfit: ReadonlyMap<number, string>;

  constructor(missing: readonly number[], unfit: ReadonlyMap<number, string> = new Map()) {
    super("Leads of this move are not in the source, or do not fit into the target");
    this.missing = missing;
    this.unfit = unfit;
  }

  static is(value: unknown): value is NoneMoved {
    return isMarked(value, noneMovedMarker);
  }
}

const damagedMarker = Symbol.for("reinstate.vicidial.tables-damaged");

/** A lead table is damaged, as MyISAM tables can be after a crash of the server: until somebody repairs it, it cannot be worked on. */
export class TablesDamaged extends Error {
  readonly [damagedMarker] = true;
  readonly [publicMessage] = true;
  /** Might leads have been moved before that was seen? */
  readonly written: boolean;

  constructor(message: string, written: boolean) {
    super(message);
    this.written = written;
  }

  static is(value: unknown): value is TablesDamaged {
    return isMarked(value, damagedMarker);
  }
}
