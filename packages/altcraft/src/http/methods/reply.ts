/** Reply of a method: the members beside `error` and `error_text`, and the id of the batch that it created. */
export interface MethodReply {
  members: Record<string, unknown>;
  batch?: number;
}

/** Members of every successful reply. */
export const success = { error: 0, error_text: "Successful operation" };
