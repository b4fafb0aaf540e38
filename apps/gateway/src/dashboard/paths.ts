/** The beginnings of the paths of the dashboard, beside `/`. */
export const dashboardPaths = ["/batches", "/find", "/systems", "/keys", "/sign-in", "/sign-out", "/assets"];
